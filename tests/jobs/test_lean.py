"""Keras comes without what it looks for and nobody needs, which is there afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FOUND = """
import json, sys
from jobs.lean import lean_imports
{before}
with lean_imports():
    import keras
there = [name for name in ("jax", "scipy", "sklearn") if name in sys.modules]
import jax, scipy.stats, sklearn.base
keras.Variable(0.0)
print(json.dumps([keras.backend.backend(), there, scipy.stats.norm.cdf(0.0)]))
"""


@pytest.mark.parametrize(("before", "there"), [("", []), ("import scipy", ["scipy"])])
def test_what_is_hidden_from_keras_is_there_afterwards(before: str, there: list[str]) -> None:
    env = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = FOUND.format(before=before)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["tensorflow", there, 0.5]
