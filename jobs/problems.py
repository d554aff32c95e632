"""What may be wrong with data: one thing of one kind, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """Something that keeps a sweep from running, or from learning.

    Attributes:
        severity: ``error`` where a run refuses the data, else ``warning``.
        kind: a word for it, such as ``duplicates``.
        said: the sentence for the user.
        column, series, shard: where; the first of them, where there are several.
        count: how many rows, series or shards have it.
    """

    severity: Severity
    kind: str
    said: str
    column: str | None = None
    series: str | int | None = None
    shard: str | None = None
    count: int = 1

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)
