"""Reading a cluster file, which says where a sweep runs."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from cluster.clusters import ClusterModel, LocalCluster, RayJobsCluster
from cluster.errors import ClusterError
from cluster.kubecluster import KubeRayCluster
from cluster.slurmcluster import SlurmCluster

Cluster = Annotated[
    LocalCluster | RayJobsCluster | SlurmCluster | KubeRayCluster, Field(discriminator="backend")
]
MODELS: dict[str, type[ClusterModel]] = {
    "local": LocalCluster,
    "ray_jobs": RayJobsCluster,
    "slurm": SlurmCluster,
    "kuberay": KubeRayCluster,
}
_ADAPTER: TypeAdapter[Cluster] = TypeAdapter(Cluster)
_LARGEST = 2**20  # bytes


def load_cluster(path: Path) -> Cluster:
    """Read a cluster file; a relative ``token_file`` is taken from its folder.

    Raises:
        ClusterError: in one sentence with the file and the field.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ClusterError(f"{path}: is larger than {_LARGEST >> 20} MB, which no cluster file is")
        raw = yaml.safe_load(data.decode())
    except OSError as error:
        raise ClusterError(f"{path}: the cluster file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClusterError(f"{path}: the cluster file cannot be read: it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ClusterError(f"{path}: not valid YAML: {getattr(error, 'problem', error)}{where}") from None
    return _anchored(parse_cluster(raw, source=str(path)), path.resolve().parent)


def parse_cluster(raw: Any, *, source: str) -> Cluster:
    """The cluster of a document; ``source`` is what an error calls it.

    Raises:
        ClusterError: in one sentence with the field.
    """
    if not isinstance(raw, dict):
        raise ClusterError(
            f"{source}: a cluster file is a mapping of fields such as backend, found {type(raw).__name__}"
        )
    try:
        return _ADAPTER.validate_python(raw)
    except ValidationError as error:
        raise ClusterError(f"{source}: {_sentence(error, raw)}") from None


def _sentence(error: ValidationError, raw: dict[Any, Any]) -> str:
    """The first problem in words, with the field and, for an unknown key, the nearest valid one."""
    problem = error.errors(include_url=False)[0]
    backends = ", ".join(MODELS)
    where = ".".join(str(part) for part in problem["loc"] if part not in MODELS)
    match problem["type"]:
        case "union_tag_not_found":
            return f"backend: is required and not given; it is one of {backends}"
        case "union_tag_invalid":
            return f"backend: no such backend {raw['backend']!r}; it is one of {backends}"
        case "extra_forbidden":
            return (
                f"{where}: unknown key{_neighbour(where.rpartition('.')[2], _valid(raw['backend'], where))}"
            )
        case "value_error":
            what = str(problem["ctx"]["error"])
        case _:
            # What was found is not shown: somebody may have put a secret in the wrong place.
            what = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {what}" if where else what


def _valid(backend: str, where: str) -> list[str]:
    """The keys of the section in which an unknown one stands."""
    model: Any = MODELS[backend]
    for part in where.split(".")[:-1]:
        if part not in getattr(model, "model_fields", {}):
            continue  # a name or a number that the user chose
        model = _section(model.model_fields[part].annotation)
    return list(model.model_fields) if model else []


def _section(annotation: Any) -> Any:
    """The model in a field's type; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in getattr(annotation, "__args__", ()) if (found := _section(each))), None)


def _neighbour(key: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; valid keys are {', '.join(valid)}"


def _anchored(cluster: Cluster, folder: Path) -> Cluster:
    if not isinstance(cluster, RayJobsCluster) or cluster.token_file is None:
        return cluster
    return cluster.model_copy(update={"token_file": str(folder / Path(cluster.token_file).expanduser())})
