"""How a sweep runs: the command line, the journal, searchers, schedulers and the Ray Tune adapter.

Stands on ``jobs`` and ``cluster``.  Ray Tune is imported in ``runner.sweep`` and ``runner.trials`` only.
"""
