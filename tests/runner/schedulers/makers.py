"""Schedulers of every kind, made from epochs, factor and least epochs."""

from __future__ import annotations

from hypothesis import strategies as st

from runner.schedulers.asha import Asha, PromotingAsha
from runner.schedulers.hyperband import Hyperband
from runner.schedulers.median import Median
from runner.schedulers.pbt import PopulationBased

SHAPES = st.tuples(st.integers(1, 30), st.integers(2, 4), st.integers(1, 3)).filter(lambda s: s[2] <= s[0])


def make_asha(shape: tuple[int, int, int]) -> Asha:
    epochs, factor, least = shape
    return Asha(max_epochs=epochs, factor=factor, min_epochs=least)


def make_promoting(shape: tuple[int, int, int]) -> PromotingAsha:
    epochs, factor, least = shape
    return PromotingAsha(max_epochs=epochs, factor=factor, min_epochs=least)


def make_median(shape: tuple[int, int, int]) -> Median:
    return Median(max_epochs=shape[0], min_epochs=shape[2])


def make_population(shape: tuple[int, int, int]) -> PopulationBased:
    return PopulationBased(max_epochs=shape[0], interval=shape[2], seed=3)


def make_hyperband(shape: tuple[int, int, int], iterations: int = 1) -> Hyperband:
    epochs, factor, least = shape
    return Hyperband(max_epochs=epochs, factor=factor, min_epochs=least, iterations=iterations)
