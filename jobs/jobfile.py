"""Reading a job file: YAML, ``--set`` overrides, validation; writing it back with every default."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from jobs.built import Built
from jobs.errors import JobError
from jobs.messages import sentence
from jobs.spec import Job


class _Loader(yaml.SafeLoader):
    """YAML as people write it: ``1e-3`` is a number and a key given twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(problem=f"a key is a plain word (line {line})")
            if key in seen:
                raise yaml.constructor.ConstructorError(problem=f"key {key!r} is given twice (line {line})")
            seen.add(key)
        return dict(super().construct_mapping(node, deep))

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date such as 2024-13-45
            raise yaml.constructor.ConstructorError(
                problem=f"{node.value!r}: {error}", problem_mark=node.start_mark
            ) from None


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def load_job(path: Path, overrides: Iterable[str] = (), *, digest: str | None = None) -> Job:
    """Read a job file; ``overrides`` are ``a.b=value`` as given to ``--set``.

    With ``digest`` its SHA-256 has to be that: it waited where others may write.

    Relative ``data.path`` is taken from the job file's folder, so that job and data move together; so are
    sweeps of ``search.start_from`` that are paths: a mere name is one of the storage.

    Raises:
        JobError: in one sentence with the file and the field.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise JobError(f"{path}: the job file cannot be read: {reason}") from None
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise JobError(f"{path}: it is not the job file that was submitted; submit yours again")
    return parse_job(text, source=str(path), folder=path.resolve().parent, overrides=overrides)


def parse_job(text: str, *, source: str, folder: Path | None = None, overrides: Iterable[str] = ()) -> Job:
    """Read a job from YAML text; ``source`` is what an error calls it, ``folder`` what paths start from.

    Raises:
        JobError: in one sentence with ``source`` and the field.
    """
    raw = _parse(text, source)
    if not isinstance(raw, dict):
        raise JobError(
            f"{source}: a job file is a mapping of fields such as name and data, found {_called(raw)}"
        )
    for override in overrides:
        _override(raw, override)
    try:
        job = Job.model_validate(raw)
    except ValidationError as error:
        raise JobError(f"{source}: {sentence(error, Job)}") from None
    return job if folder is None else _anchored(job, folder)


def _called(raw: Any) -> str:
    return "nothing" if raw is None else "a list" if isinstance(raw, list) else "a single value"


def dump_job(job: Job, *, defaults: bool = True) -> str:
    """The job as YAML; ``parse_job`` gives the same job back.

    With ``defaults`` all of them are written out; else what its author gave, for whoever asks which that was.
    """
    raw = job.model_dump(mode="json", exclude_unset=not defaults)
    return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=110)


def _parse(text: str, source: str) -> Any:
    try:
        return _unshared(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise JobError(f"{source}: not valid YAML: {problem}{where}") from None
    except RecursionError:
        raise JobError(f"{source}: not valid YAML: nested too deeply, or an alias holds itself") from None


def _unshared(node: Any) -> Any:
    """The same tree with a copy in the place of every YAML alias, so that setting one sets no other."""
    if isinstance(node, dict):
        return {key: _unshared(value) for key, value in node.items()}
    return [_unshared(value) for value in node] if isinstance(node, list) else node


def _override(raw: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise JobError(f"--set {override}: write it as section.field=value, for example train.max_epochs=10")
    value = _parse(text, f"--set {override}")
    place: Any = raw
    *parents, last = name.split(".")
    for part in parents:
        if isinstance(place, dict) and place.get(part) is None:
            place[part] = {}
        place = place[_key(place, part, override)]
    place[_key(place, last, override, new=True)] = value


def _key(place: Any, part: str, override: str, *, new: bool = False) -> Any:
    if isinstance(place, dict) and (new or part in place):
        return part
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        return int(part)
    raise JobError(f"--set {override}: there is nothing called {part!r} to set in the job file")


def _anchored(job: Job, folder: Path) -> Job:
    if isinstance(job.model, Built):
        where = folder / (job.model.folder or "")
        job = job.model_copy(update={"model": job.model.model_copy(update={"folder": str(where)})})
    data = job.data.model_copy(update={"path": _from_folder(job.data.path, folder)})
    sources = tuple(_from_folder(each, folder) if "/" in each else each for each in job.search.start_from)
    if sources:  # else an author who wrote no ``search`` would seem to have
        job = job.model_copy(update={"search": job.search.model_copy(update={"start_from": sources})})
    return job.model_copy(update={"data": data})


def _from_folder(path: str, folder: Path) -> str:
    """The same path, taken from there if it is relative."""
    if "://" in path or Path(path).is_absolute():
        return path
    trailing = "/" if path.endswith("/") else ""
    return str(folder / path) + trailing
