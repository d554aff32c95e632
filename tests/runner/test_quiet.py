"""Starting Keras for what is not computed with it: cheaply, silently, and for nobody else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

SPARE = """
import json, os, sys
from runner.quiet import spare_keras
with spare_keras():
    import runner.searchers.oracles
import keras
print(json.dumps([keras.backend.backend(), "tensorflow" in sys.modules, os.environ.get("KERAS_BACKEND")]))
"""
LIGHT = """
import sys
import runner.cli, runner.launch, runner.sweep
from tests.runner.curves import make_job
from tests.runner.pool import fresh_conductor
for algorithm in ("random", "grid", "bayesian", "tpe"):
    model = {"units": "{int: {min: 1, max: 9}}"}
    conductor = fresh_conductor(make_job(model=model, search={"algorithm": algorithm}))
    assert conductor.next_leg()
print([name for name in ("keras", "keras_tuner", "optuna", "sklearn", "tensorflow") if name in sys.modules])
"""


def run(code: str) -> tuple[str, str]:
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, timeout=120
    )
    return done.stdout, done.stderr


def test_what_only_imports_keras_gets_it_on_the_cheapest_backend() -> None:
    said, chatter = run(SPARE)

    cheap = importlib.util.find_spec("jax") is not None
    assert json.loads(said) == ["numpy" if cheap else "tensorflow", not cheap, None]
    assert chatter == ""


def test_a_search_that_needs_no_library_yet_imports_none() -> None:
    assert run(LIGHT) == ("[]\n", "")
