"""What is trained: job files, data, networks, training, forecasts.

Knows no Ray, no Click and no cluster, and imports neither ``runner`` nor ``cluster``.  Storage comes in as
an opened ``pyarrow.fs.FileSystem`` and a path.  Keras 3 is the interface; TensorFlow is never imported at
module level.  Its one error is ``jobs.errors.JobError``.
"""
