"""Where a sweep runs and what it is stored on.

Knows Ray and storage, never Keras, and imports neither ``jobs`` nor ``runner``.
Its one error is ``cluster.errors.ClusterError``.
"""
