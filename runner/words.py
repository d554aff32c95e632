"""How numbers are said; light to import."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """So many of them."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
