"""What Ray does to a process that starts or joins it and cannot be told not to, each for a ``with`` block."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def any_agent_port() -> Iterator[None]:
    """Ray's agent waits 5 s for port 52365 when another Ray has it, and ``ray.init`` cannot say: any."""
    from ray._private import parameter

    usual = parameter.RayParams
    free = functools.partial(usual, dashboard_agent_listen_port=0)
    known = "dashboard_agent_listen_port" in inspect.signature(usual).parameters
    with _instead(parameter, "RayParams", free if known else usual):
        yield


@contextmanager
def no_helpers() -> Iterator[None]:
    """Ray starts an autoscaler, a dashboard and a reader of logs, and waits for them; none is asked here."""
    from ray._private import parameter, services

    lean = functools.partial(parameter.RayParams, no_monitor=True, include_log_monitor=False)
    none = lambda *arguments, **options: ("", None)  # noqa: ARG005, E731 - no address, no process
    with _instead(parameter, "RayParams", lean), _instead(services, "start_api_server", none):
        yield


@contextmanager
def plain_actors() -> Iterator[None]:
    """Tune's actors get variables of their own, for which Ray passes over the processes that it has ready."""
    import ray
    from ray.tune.execution import class_cache

    remote = functools.cache(ray.remote)
    plain = lambda cache, trainable: remote(trainable)  # noqa: ARG005, E731 - its signature
    with _instead(class_cache._ActorClassCache, "get", plain):  # noqa: SLF001 - no other way
        yield


@contextmanager
def no_signal_handlers() -> Iterator[None]:
    """Ray puts a SIGTERM handler in the caller's place, whose exit may get lost while Ray starts."""
    from ray._private import utils

    with _instead(utils, "set_sigterm_handler", lambda handler: None):  # noqa: ARG005 - its signature
        yield


@contextmanager
def no_last_words() -> Iterator[None]:
    """Ray prints pages of a dead raylet's logs to standard output, where a program may be reading ours."""
    from ray._private import worker

    silent = lambda worker, threads_stopped: None  # noqa: ARG005, E731 - its signature
    with _instead(worker, "listen_error_messages", silent):
        yield


@contextmanager
def _instead(module: ModuleType | type, name: str, other: Any) -> Iterator[None]:
    usual = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, usual)
