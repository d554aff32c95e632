"""A training process's share of a GPU, as far as a machine without one can show it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from jobs.accelerator import announce_limit, exhausted
from jobs.errors import JobError

ASK = """
import os, sys
from jobs.accelerator import exhausted, limit_memory
from jobs.errors import JobError
import keras
try:
    limit_memory(1 << 30)
except JobError as error:
    print(error)
try:
    keras.ops.convert_to_numpy(keras.ops.ones((1 << 22, 1 << 22)) + 1)
except Exception as error:
    print(exhausted(error, gpu=True))
"""


@pytest.mark.parametrize(("backend", "install"), [("tensorflow", "recur-tune[gpu]"), ("jax", "jax[cuda12]")])
def test_a_backend_without_a_gpu_says_so_and_tells_when_memory_runs_out(backend: str, install: str) -> None:
    """The errors are the backend's own: an array of 64 TiB."""
    env = os.environ | {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, env=env)

    assert said.stdout.splitlines() == [
        (
            f"resources.gpu: {backend} sees no GPU in this environment, though there is one; install it for "
            f"CUDA: pip install '{install}'"
        ),
        "True",
    ]


def test_other_errors_are_no_want_of_memory() -> None:
    assert not exhausted(ValueError("units must be positive"), gpu=False)
    assert exhausted(RuntimeError("CUDNN_STATUS_ALLOC_FAILED in cudnnCreate"), gpu=True)
    assert exhausted(
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"), gpu=True
    )


@pytest.mark.parametrize("gpu", [False, True])
def test_a_want_of_the_nodes_memory_is_none_of_a_cards(gpu: bool) -> None:  # noqa: FBT001
    with pytest.raises(MemoryError) as numpys:
        np.ones(1 << 50)
    told = JobError("model.build: mine:build raised it")
    told.__cause__ = numpys.value

    found = [exhausted(each, gpu=gpu) for each in (MemoryError(), numpys.value, told)]

    assert found == [not gpu] * 3


def test_jax_is_told_its_share_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREALLOCATE", "MEM_FRACTION"):
        monkeypatch.setenv(f"XLA_PYTHON_CLIENT_{name}", "")

    announce_limit(6 << 30, 24 << 30)

    assert os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.2500"
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"
