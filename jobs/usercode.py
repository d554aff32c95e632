"""The modules of a user's that ``model.build`` needs, so that they can go where the job goes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

from jobs.built import Built
from jobs.errors import JobError
from jobs.spec import Job

_LARGEST = 4 * 2**20  # bytes of all together; they go with every trial


def modules_of(job: Job) -> dict[str, str]:
    """The source of the module that ``model.build`` names and of all that it imports from its folder.

    By paths from that folder; nothing where the job names no function, or one of an installed module.

    Raises:
        JobError: one cannot be read, or they are too much to travel.
    """
    if not isinstance(job.model, Built):
        return {}
    root = Path(job.model.folder or ".")
    name = job.model.build.rpartition(":")[0]
    dotted = name if "/" in name or name.endswith(".py") else name.replace(".", "/")
    waiting = list(_files(root, dotted.removesuffix(".py")))
    found: dict[str, str] = {}
    while waiting:
        file = waiting.pop()
        relative = _relative(file, root)
        if relative not in found:
            found[relative] = _source(file)
            waiting += [
                each for name in _imported(found[relative], file, root) for each in _files(root, name)
            ]
    if sum(map(len, found.values())) > _LARGEST:
        raise JobError(
            f"model.build: {name} and what it imports from {root} are more than {_LARGEST >> 20} MB; "
            "install them on the cluster instead"
        )
    return dict(sorted(found.items()))


def code_of(job: Job) -> str | None:
    """A SHA-256 of those modules; None where there are none.

    Raises:
        JobError: as ``modules_of``.
    """
    modules = modules_of(job)
    return hashlib.sha256(json.dumps(modules).encode()).hexdigest() if modules else None


def installed_file(build: str) -> Path | None:
    """Where the installed module is that ``model.build`` names; nothing is imported, None if nowhere."""
    first, *rest = build.rpartition(":")[0].split(".")
    try:
        found = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None:
        return None
    if not rest:
        return Path(found.origin)
    place = Path(found.origin).parent.joinpath(*rest)
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((each for each in files if each.is_file()), None)


def _files(root: Path, name: str) -> Iterator[Path]:
    """The files of a module and of the packages that it is in, as far as they are in the folder."""
    parts = Path(name).parts
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        yield from (
            each for each in (place.with_name(f"{place.name}.py"), place / "__init__.py") if each.is_file()
        )


def _imported(source: str, file: Path, root: Path) -> Iterator[str]:
    """What a module imports, as paths without their ending; what is not in the folder is installed."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return  # whoever runs it says so, and where
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.parent
            for _ in range(node.level - 1):
                package = package.parent
            parent = Path(_relative(package, root)) if node.level else Path()
            module = parent / (node.module or "").replace(".", "/")
            yield str(module)
            yield from (str(module / alias.name) for alias in node.names)


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise JobError(
            f"model.build: {path} lies outside of {root}, which is what travels; keep it in the job's folder"
        ) from None


def _source(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise JobError(f"model.build: {file} cannot be read: {reason}") from None
