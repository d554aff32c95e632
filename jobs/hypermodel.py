"""A user's KerasTuner hypermodel: found, loaded, and called as KerasTuner calls it.

A script runs as far as to its own tuner: what it defines before is used, the search is ours.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import keras_tuner

from jobs.errors import JobError
from jobs.material import Material
from jobs.space import Values

_PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_STRETCH = {"epochs", "initial_epoch", "verbose"}  # that KerasTuner gives only as the search was given them


class _SearchReached(BaseException):
    """Ends the running of a script: no handler of its own may take it."""


class Hypermodel:
    """What ``model.build`` names."""

    def __init__(self, name: str, module: ModuleType, target: Any) -> None:
        """Take a function, or an object with ``build`` and perhaps ``fit``."""
        self._name, self._module = name, module
        build = getattr(target, "_build", None) or getattr(target, "build", None) or target
        self._build: Callable[..., Any] = getattr(target, "build", None) or target
        self._takes_shapes = _takes(build, "shapes") or _required(build) > 1
        own = getattr(type(target), "fit", None)
        self._fit = None if own in {None, keras_tuner.HyperModel.fit} else target.fit

    @property
    def fits_itself(self) -> bool:
        """Whether it has a ``fit`` of its own."""
        return self._fit is not None

    @property
    def tells_epochs(self) -> bool:
        """Whether its ``fit`` takes callbacks."""
        return self._fit is not None and _takes(self._fit, "callbacks")

    @property
    def weighs(self) -> bool:
        """Whether its ``fit`` takes what each window counts."""
        return self._fit is not None and _takes(self._fit, "sample_weight")

    @property
    def goes_on(self) -> bool:
        """Whether its ``fit`` may begin at another epoch than its first."""
        return self._fit is not None and _takes(self._fit, "initial_epoch")

    def build(self, hp: Any, material: Material) -> Any:
        """A network.

        Raises:
            JobError: with what the function raised, and where.
        """
        fill(self._module, material)
        with self.excused():
            return self._build(hp, material.shapes) if self._takes_shapes else self._build(hp)

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **options: Any) -> None:
        """Have it train a network, with those options that it takes and does not choose itself.

        Raises:
            JobError: with what the function raised, and where.
        """
        assert self._fit is not None, "it has a fit of its own"  # noqa: S101
        given = {name: value for name, value in options.items() if _takes(self._fit, name)}
        for name in _STRETCH & (given.keys() - inspect.signature(self._fit).parameters.keys()):
            if name == "verbose" or name in _chosen_beside(self._fit):
                del given[name]  # Keras would be given it twice
        with self.excused():
            self._fit(hp, model, x, y, **given)

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Tells of what the user's code raises in a sentence."""
        try:
            yield
        except JobError:
            raise
        except (Exception, SystemExit) as error:
            raise JobError(f"model.build: {self._name} {_raised(error, self._module)}") from error


def load_hypermodel(build: str, folder: str | None, material: Material) -> Hypermodel:
    """What ``build`` names; its module runs once a process.

    Raises:
        JobError: there is no such thing, or its module raises.
    """
    where, _, path = build.rpartition(":")
    module = _module(where, folder, material)
    target: Any = module
    for part in path.split("."):
        if not hasattr(target, part):
            raise JobError(f"model.build: {module.__file__} has no {path}; it has {_offered(module)}")
        target = getattr(target, part)
    if isinstance(target, type):
        try:
            target = target()
        except Exception as error:  # noqa: BLE001 - whatever the user's class raises
            raise JobError(
                f"model.build: {path}() {_raised(error, module)}; name an instance instead"
            ) from None
    if not callable(getattr(target, "build", target)):
        raise JobError(f"model.build: {build} is neither a function nor a HyperModel, but {target!r}")
    return Hypermodel(build, module, target)


def hyperparameters(values: Values) -> Any:
    """KerasTuner's own, with these values."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def fill(module: ModuleType, material: Material) -> None:
    """Put the job's windows where a module looks for X_train, y_train, X_val and the like."""
    for name in _mentioned(module):
        letter, _, part = name.partition("_")
        vars(module)[name] = material.windows(_PARTS[part])[letter in "yY"]


def _mentioned(module: ModuleType) -> list[str]:
    """Those names of windows that stand in a module's source."""
    if not hasattr(module, "_recur_windows"):
        text = Path(module.__file__).read_text(encoding="utf-8") if module.__file__ else ""
        known = {f"{letter}_{part}" for letter in "xXyY" for part in _PARTS}
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        vars(module)["_recur_windows"] = sorted(known & names)
    return list(vars(module)["_recur_windows"])


def _module(name: str, folder: str | None, material: Material) -> ModuleType:
    parts = name.removesuffix(".py")
    if parts == name and "/" not in name:  # a module's name, and no path
        parts = name.replace(".", "/")
    places = [Path(folder or ".") / each for each in (f"{parts}.py", f"{parts}/__init__.py")]
    file = next((each for each in places if each.is_file()), None)
    known = f"recur_build_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}" if file else name
    if known in sys.modules:
        return sys.modules[known]
    if file is not None:
        spec = importlib.util.spec_from_file_location(known, file)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
    if spec is None or spec.loader is None:
        raise JobError(f"model.build: there is no {places[0]}, nor is a module {name} installed")
    module = importlib.util.module_from_spec(spec)
    if folder is not None and folder not in sys.path:
        sys.path.insert(0, folder)  # as for a script: its neighbours are found
    sys.modules[known] = module
    try:
        _run(module, spec.loader, folder, material)
    except BaseException:
        del sys.modules[known]
        raise
    return module


def _run(module: ModuleType, loader: Any, folder: str | None, material: Material) -> None:
    """Run a module up to where it makes a tuner."""
    from keras_tuner.engine.base_tuner import BaseTuner

    def reached(*_: Any, **__: Any) -> None:
        raise _SearchReached

    usual = BaseTuner.__init__
    BaseTuner.__init__ = reached
    try:
        with chdir(folder) if folder else nullcontext():
            fill(module, material)
            loader.exec_module(module)
    except _SearchReached:
        pass
    except (Exception, SystemExit) as error:
        raise JobError(f"model.build: {module.__file__} {_raised(error, module)}") from error
    finally:
        BaseTuner.__init__ = usual


def _raised(error: BaseException, module: ModuleType) -> str:
    """What was raised, in one line, and the last line of the user's module on the way."""
    own = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == module.__file__
    ]
    lines = str(error).strip().splitlines()
    said = f": {lines[0]}" if lines else ""
    where = f" (line {own[-1]} of {module.__file__})" if own else ""
    return f"raised {type(error).__name__}{said}{where}"


def _offered(module: ModuleType) -> str:
    """The functions and classes that a module defines."""
    found = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
    return ", ".join(found) or "no function and no class"


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(
        each.name == name or (each.kind is each.VAR_KEYWORD and name != "shapes") for each in parameters
    )


def _chosen_beside(function: Callable[..., Any]) -> set[str]:
    """Arguments that a function gives on beside all that it was given: ``f(epochs=3, **kwargs)``."""
    try:
        source = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return set()
    calls = [[each.arg for each in node.keywords] for node in ast.walk(source) if isinstance(node, ast.Call)]
    return {name for names in calls if None in names for name in names if name is not None}


def _required(function: Callable[..., Any]) -> int:
    """Arguments that it must be given."""
    parameters = inspect.signature(function).parameters.values()
    positional = [
        each for each in parameters if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}
    ]
    return sum(each.default is each.empty for each in positional)
