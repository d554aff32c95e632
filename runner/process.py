"""The owner's side of a training process (``runner.worker``)."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from cluster.errors import ClusterError
from cluster.gpus import find_gpus
from cluster.memory import oom_kills
from cluster.programs import compiled_programs

Message = dict[str, Any]
_KNOWS_EMITTERS = "2.21."  # versions of TensorFlow; a flag that XLA does not know ends the process
GPU_SHARE = "RECUR_GPU_SHARE"  # of the training process: the share of a card it may take
OWN_CODE = "RECUR_OWN_CODE"  # there, if it may run code of the user's


class WorkerProcess:
    """One warm training process.

    Its threads are set before TensorFlow starts (afterwards is too late), it sees no GPU unless it is given
    a share of one, and it dies with its owner because its input closes.
    """

    module = "runner.worker"  # what it runs; benchmarks put one without Keras in its place

    def __init__(self, *, backend: str, threads: int, gpu: float = 0.0, own_code: bool = False) -> None:
        """Start the process; it is importing Keras while its owner goes on."""
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        self._process = subprocess.Popen(  # noqa: S603 - a module of ours
            [sys.executable, "-P", "-m", self.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=environment(backend, threads, gpu, own_code=own_code),
        )
        self._inbox: queue.Queue[Message] = queue.Queue()
        self._killed = oom_kills()  # by the system, when it was last given an order
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None, "opened as a pipe"  # noqa: S101
        with self._process.stdout as lines, suppress(ValueError):  # it was killed in the middle of a word
            for text in lines:
                self._inbox.put(json.loads(text))
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip().splitlines()
        self._words.close()
        said = f": {words[-1]}" if code > 0 and words else ""
        why = {}
        if code == -signal.SIGKILL and oom_kills() > self._killed:  # by hand it has another reason
            why, how = {"exhausted": True}, f"{how}, as the system does for want of memory"
        self._inbox.put({"say": "died", "error": f"the training process {how}{said}"} | why)

    def send(self, message: Message) -> None:
        """Give an order; that it arrived shows in what is said next."""
        assert self._process.stdin is not None, "opened as a pipe"  # noqa: S101
        self._killed = oom_kills()
        with suppress(BrokenPipeError):  # it died; the reader says so
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next thing it says, ``died`` included; None when nothing came within ``timeout`` seconds."""
        try:
            message = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return None
        return message if message["say"] != "ready" else self.receive(timeout)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self, patience: float = 1.0) -> None:
        """End the process: its input closes; after ``patience`` seconds it is killed."""
        assert self._process.stdin is not None, "opened as a pipe"  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def environment(backend: str, threads: int, gpu: float = 0.0, *, own_code: bool = False) -> dict[str, str]:
    """The environment of a training process: all that has to be set before its backend starts.

    With a share of a ``gpu`` the process sees the one that Ray gave its owner, and sees to its share itself.
    """
    count = str(threads)
    xla = "--xla_backend_optimization_level=1"  # compiles a fifth faster, and what it makes runs faster too
    if backend == "jax" and threads == 1:
        xla += " --xla_cpu_multi_thread_eigen=false"
    if backend == "tensorflow" and version("tensorflow").startswith(_KNOWS_EMITTERS):
        xla += " --xla_cpu_use_fusion_emitters=false"  # compiles a third faster, and what it makes is as fast
    xla = f"{xla} {os.environ.get('XLA_FLAGS', '')}".strip()
    programs = compiled_programs(xla, _card() if gpu else "")
    cache = f"--tf_xla_persistent_cache_directory={programs}"
    return os.environ | {
        "KERAS_BACKEND": backend,
        "TF_NUM_INTRAOP_THREADS": count,
        "TF_NUM_INTEROP_THREADS": count,
        "OMP_NUM_THREADS": count,
        "XLA_FLAGS": xla,
        "TF_XLA_FLAGS": f"{cache} {os.environ.get('TF_XLA_FLAGS', '')}".strip(),
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **({GPU_SHARE: f"{gpu:g}"} if gpu else {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}),
        **({OWN_CODE: "1"} if own_code else {}),
    }


def _card() -> str:
    """The name of this process's GPU; nothing where it cannot be told, which the process itself will say."""
    try:
        return find_gpus()[0].name
    except ClusterError:
        return ""
