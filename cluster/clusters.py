"""What a cluster file says, as frozen models; secrets are named in it, never held."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cluster.errors import ClusterError
from cluster.references import VARIABLE, holds_a_password, names_a_secret, withhold

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Part(BaseModel):
    """A section of a cluster file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Reference(Part):
    """Where a secret is found, on the machine where it is used: one of these.

    Attributes:
        env: a variable there.
        file: a file there, of which the outer blanks do not count.
        secret, key: a Kubernetes secret and the key in it.
    """

    env: str | None = None
    file: str | None = None
    secret: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [self.env, self.file, self.secret]
        if sum(place is not None for place in places) != 1 or (self.secret is None) != (self.key is None):
            raise ValueError("is {env: NAME}, {file: PATH} or, on Kubernetes, {secret: NAME, key: KEY}")
        return self


class TrialResources(Part):
    """What one trial is given, in place of what the job says."""

    cpu: int | None = Field(None, ge=1)
    gpu: float | None = Field(None, ge=0, strict=False)

    def overrides(self) -> list[str]:
        """The same as changes of a job."""
        given = {"cpu": self.cpu, "gpu": self.gpu}
        return [f"resources.{name}={value:g}" for name, value in given.items() if value is not None]


class ClusterModel(Part):
    """What every cluster file may say.

    Attributes:
        storage: where sweeps are kept, as its nodes see it.
        env: variables of every process of a sweep.
        secrets: the same, by reference.
        resources: of each trial.
    """

    storage: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, Reference] = Field(default_factory=dict)
    resources: TrialResources = Field(default_factory=TrialResources)

    @field_validator("env", "secrets")
    @classmethod
    def _named_well(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of an environment variable")
            if name == "RAY_AUTH_TOKEN":
                raise ValueError("a token never stands in a cluster file; name its variable with token_env")
        return named

    @field_validator("env")
    @classmethod
    def _holds_no_secret(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if names_a_secret(name) or holds_a_password(value):
                raise ValueError(
                    f"the value of {name} would stand in scripts and manifests for all to read; name the "
                    f"place where it is found instead: secrets: {{{name}: {{file: PATH}}}}"
                )
        return env

    @model_validator(mode="after")
    def _secrets_are_found(self) -> Self:
        if twice := sorted(set(self.env) & set(self.secrets)):
            raise ValueError(f"{twice[0]} stands in both env and secrets; leave it out of env")
        kubernetes = [name for name, each in self.secrets.items() if each.secret]
        if kubernetes and not self.reads_kubernetes_secrets:
            raise ValueError(f"secrets.{kubernetes[0]}: {{secret, key}} is for kuberay; give env or file")
        return self

    def environment(self) -> dict[str, str]:
        """What every process of a sweep gets: the variables, and where the secrets are found."""
        if not self.secrets:
            return dict(self.env)
        # What Kubernetes puts into a variable itself is there already, by that name.
        places = {
            name: {"file": each.file} if each.file else {"env": each.env or name}
            for name, each in self.secrets.items()
        }
        return self.env | {VARIABLE: json.dumps(places, sort_keys=True)}

    @property
    def cards(self) -> int:
        """GPUs that are asked for, of each node."""
        return 0

    @property
    def reads_kubernetes_secrets(self) -> bool:
        """Whether a secret may be one of Kubernetes's."""
        return False

    @property
    def shares_files(self) -> bool:
        """Whether it sees the folders of the machine that submits: data, storage, a user's modules."""
        return False


class LocalCluster(ClusterModel):
    """This machine, as a process that survives the terminal."""

    backend: Literal["local"]

    @property
    def shares_files(self) -> bool:
        """It is the same machine."""
        return True


class RayJobsCluster(ClusterModel):
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

    @property
    def elsewhere(self) -> bool:
        """Whether the address is another machine's, as far as it shows."""
        host = str(urlsplit(self.address).hostname)
        own = {"localhost", "::1", socket.gethostname().lower()}
        return host not in own and not host.startswith("127.")

    def token(self) -> str | None:
        """The token from where the file says it is; by default RAY_AUTH_TOKEN, if that is set.

        Raises:
            ClusterError: when the place that the file names holds none.
        """
        if self.token_file:
            found = _read_token(Path(self.token_file).expanduser())
            withhold(found)
            return found
        found = os.environ.get(self.token_env or "RAY_AUTH_TOKEN", "").strip()
        if self.token_env and not found:
            raise ClusterError(
                f"token_env: the environment variable {self.token_env} is not set; put the token there"
            )
        withhold(found)
        return found or None


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
