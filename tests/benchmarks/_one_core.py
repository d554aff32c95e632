"""Settings of a process that trains on one core, to be imported before Keras is."""

from __future__ import annotations

import os

from runner.process import environment

os.environ.update(environment(backend=os.environ.get("KERAS_BACKEND", "tensorflow"), threads=1))
