"""The GPUs that this process may use, as NVIDIA's own tool tells of them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from cluster.errors import ClusterError

_ASK = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total,memory.used", "--format=csv,noheader,nounits")
_SECONDS = 30.0
_CONTEXT = 600 << 20  # bytes that CUDA and its libraries take of a card for each process, beside its pool
_LEAST = 256 << 20


@dataclass(frozen=True)
class Gpu:
    """One card; ``memory``, and what of it is ``used``, in bytes."""

    index: str
    uuid: str
    name: str
    memory: int
    used: int = 0

    def pool(self, share: float) -> int:
        """Bytes that a process may allocate so that it takes ``share`` of the card in all."""
        return max(_LEAST, int(share * self.memory) - _CONTEXT)


def find_gpus() -> list[Gpu]:
    """Every card that ``CUDA_VISIBLE_DEVICES`` leaves visible, at least one.

    Raises:
        ClusterError: there is none; it says what was found instead.
    """
    found = [_parse(line) for line in _listed()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        wanted = [word.strip() for word in visible.split(",") if word.strip()]
        found = [gpu for gpu in found if any(w == gpu.index or gpu.uuid.startswith(w) for w in wanted)]
        if not found:
            raise ClusterError(
                f"no GPU can be used here: CUDA_VISIBLE_DEVICES={visible!r} names none of them"
            )
    return found


def _listed() -> list[str]:
    try:
        asked = subprocess.run(  # noqa: S603 - a command of ours
            _ASK, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise ClusterError("no GPU was found here: nvidia-smi is not installed") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"no GPU was found here: nvidia-smi did not answer in {_SECONDS:.0f} s") from None
    lines = [line for line in asked.stdout.splitlines() if line.strip()]
    if asked.returncode or not lines:
        said = (asked.stderr.strip() or asked.stdout.strip() or "nothing").splitlines()[0]
        raise ClusterError(f"no GPU was found here: nvidia-smi says: {said}")
    return lines


def _parse(line: str) -> Gpu:
    try:
        index, uuid, name, memory, used = (word.strip() for word in line.split(","))
        return Gpu(index, uuid, name, int(memory) << 20, int(used) << 20)
    except ValueError:
        raise ClusterError(f"no GPU can be used here: nvidia-smi tells of this: {line.strip()}") from None
