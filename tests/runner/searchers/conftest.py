"""Keras starts on TensorFlow, where other tests of this process have it, before a searcher asks for it."""

from __future__ import annotations

import keras

__all__ = ["keras"]
