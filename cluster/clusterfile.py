"""The cluster file: where a sweep runs, as frozen models; secrets are named in it, never held."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from cluster.errors import ClusterError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _ClusterModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    storage: str | None = None
    env: dict[str, str] = Field(default_factory=dict)

    @field_validator("env")
    @classmethod
    def _named_well(cls, env: dict[str, str]) -> dict[str, str]:
        for name in env:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of an environment variable")
            if name == "RAY_AUTH_TOKEN":
                raise ValueError("a token never stands in a cluster file; name its variable with token_env")
        return env


class LocalCluster(_ClusterModel):
    """This machine, as a process that survives the terminal."""

    backend: Literal["local"]


class RayJobsCluster(_ClusterModel):
    """A running Ray cluster, through its Jobs API (the port of its dashboard)."""

    backend: Literal["ray_jobs"]
    address: str = "http://127.0.0.1:8265"
    token_env: str | None = None
    token_file: str | None = None

    @field_validator("address")
    @classmethod
    def _is_a_url(cls, address: str) -> str:
        parts = urlsplit(address)
        port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
        if parts.scheme not in {"http", "https"} or not parts.hostname or not _is_port(port):
            raise ValueError(f"{address!r} is not an address such as http://127.0.0.1:8265")
        if parts.username or parts.password:
            raise ValueError(
                "no user or password stands in an address; name the token's variable with token_env"
            )
        return address.rstrip("/")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("give token_env or token_file, not both")
        return self

    def token(self) -> str | None:
        """The token from where the file says it is; by default RAY_AUTH_TOKEN, if that is set.

        Raises:
            ClusterError: when the place that the file names holds none.
        """
        if self.token_file:
            return _read_token(Path(self.token_file).expanduser())
        found = os.environ.get(self.token_env or "RAY_AUTH_TOKEN", "").strip()
        if self.token_env and not found:
            raise ClusterError(
                f"token_env: the environment variable {self.token_env} is not set; put the token there"
            )
        return found or None


Cluster = LocalCluster | RayJobsCluster

_MODELS: dict[str, type[_ClusterModel]] = {"local": LocalCluster, "ray_jobs": RayJobsCluster}
_ADAPTER: TypeAdapter[Cluster] = TypeAdapter(Annotated[Cluster, Field(discriminator="backend")])


def load_cluster(path: Path) -> Cluster:
    """Read a cluster file; a relative ``token_file`` is taken from its folder.

    Raises:
        ClusterError: in one sentence with the file and the field.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClusterError(f"{path}: the cluster file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClusterError(f"{path}: the cluster file cannot be read: it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ClusterError(f"{path}: not valid YAML: {getattr(error, 'problem', error)}{where}") from None
    if not isinstance(raw, dict):
        raise ClusterError(
            f"{path}: a cluster file is a mapping of fields such as backend, found {type(raw).__name__}"
        )
    try:
        cluster = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        raise ClusterError(f"{path}: {_sentence(error, raw)}") from None
    return _anchored(cluster, path.resolve().parent)


def _sentence(error: ValidationError, raw: dict[Any, Any]) -> str:
    """The first problem in words, with the field and, for an unknown key, the nearest valid one."""
    problem = error.errors(include_url=False)[0]
    backends = ", ".join(_MODELS)
    where = ".".join(str(part) for part in problem["loc"] if part not in _MODELS)
    match problem["type"]:
        case "union_tag_not_found":
            return f"backend: is required and not given; it is one of {backends}"
        case "union_tag_invalid":
            return f"backend: no such backend {raw['backend']!r}; it is one of {backends}"
        case "extra_forbidden":
            return f"{where}: unknown key{_neighbour(where, list(_MODELS[raw['backend']].model_fields))}"
        case "value_error":
            what = str(problem["ctx"]["error"])
        case _:
            # What was found is not shown: somebody may have put a secret in the wrong place.
            what = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {what}" if where else what


def _neighbour(key: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; valid keys are {', '.join(valid)}"


def _anchored(cluster: Cluster, folder: Path) -> Cluster:
    if isinstance(cluster, LocalCluster) or cluster.token_file is None:
        return cluster
    return cluster.model_copy(update={"token_file": str(folder / Path(cluster.token_file).expanduser())})


def _is_port(text: str) -> bool:
    return not text or (text.isdecimal() and 0 < int(text) < 2**16)


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise ClusterError(f"token_file: {path} holds no readable token; put it there")
    return token
