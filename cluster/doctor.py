"""What is wrong with a cluster, found on all of its nodes before money is spent."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from cluster.checkup import PACKAGES, Asked, Facts, examine
from cluster.errors import ClusterError
from cluster.folder import Folder
from cluster.probe import takes_any_token
from cluster.session import session
from cluster.storage import Storage

_ANSWER_SECONDS = 90.0  # that a node may take to look at itself
_JOIN_SECONDS = 90.0  # that the nodes which there should be may take to join
_CLOCKS_APART = 5.0  # seconds; a lease counts by them
_LEAST_DISK, _LEAST_SHARED = 2 * 10**9, 200 * 10**6  # bytes


@dataclass(frozen=True)
class Examined:
    """One node.

    Attributes:
        facts: what it says of itself; None where it said nothing.
        offset: seconds that its clock is ahead of this machine's.
        problem: why it said nothing.
    """

    name: str
    facts: Facts | None
    offset: float = 0.0
    problem: str = ""


def examine_here(storage: str, data: str | None) -> list[Examined]:
    """This machine.

    Raises:
        ClusterError: the storage cannot be written from here.
    """
    with _probe(storage) as probe:
        facts = examine(Asked(storage, probe.name, data), "here")
        return [_settled(Examined(facts.host, facts), probe, "here")]


def examine_cluster(address: str, storage: str, data: str | None, nodes: int) -> list[Examined]:
    """Every node of the Ray cluster at an address, of which at least ``nodes`` are waited for.

    Raises:
        ClusterError: it cannot be joined, or the storage cannot be written from here.
    """
    with _probe(storage) as probe, session(address=address) as joined:
        import ray

        deadline = time.monotonic() + _JOIN_SECONDS
        while len(joined.now()) < nodes and time.monotonic() < deadline:
            time.sleep(0.5)
        found_alive = (node for node in ray.nodes() if node["Alive"])  # in no order
        alive = sorted(found_alive, key=lambda node: (node["NodeManagerAddress"], node["NodeID"]))
        peers = tuple(f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}" for node in alive)
        asked = Asked(storage, probe.name, data, (joined.address, *peers))
        found = [_settled(each, probe, key) for each, key in _asked_of(alive, asked)]
        missing = [
            Examined(
                "?", None, problem=f"only {len(alive)} of {nodes} nodes have joined; see the cluster's log"
            )
        ]
        open_to_all = _open_to_all(joined.address)
        found = [_checked(each, "token", well=not open_to_all) for each in found]
        return found + (missing if len(alive) < nodes else []) + open_to_all


def _asked_of(alive: Sequence[dict[str, object]], asked: Asked) -> Iterator[tuple[Examined, str]]:
    """Each node's answer and the name of its file in the probe; all look at the same time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task, sent = ray.remote(num_cpus=0, max_retries=0)(examine), time.time()
    asking = []
    for node in alive:
        key = str(node["NodeID"])
        where = NodeAffinitySchedulingStrategy(node_id=key, soft=False)
        asking.append((node, key, task.options(scheduling_strategy=where).remote(asked, key)))
    for node, key, answer in asking:
        name = str(node["NodeManagerAddress"])
        try:
            facts = ray.get(answer, timeout=max(1.0, _ANSWER_SECONDS - (time.time() - sent)))
        except Exception as error:  # noqa: BLE001 - Ray has a dozen kinds
            yield Examined(name, None, problem=_no_answer(error)), key
            continue
        now = time.time()
        # Asked between ``sent`` and now: an earlier or later time is no matter of the network.
        offset = facts.clock - min(max(facts.clock, sent), now)
        yield Examined(f"{facts.host} {name}", facts, offset), key


def _no_answer(error: Exception) -> str:
    if "ModuleNotFoundError" in str(error) or "No module named" in str(error):
        return "Recur is not installed in this node's Python; install the same version on every node"
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"it did not answer: {lines[-1].strip() if lines else type(error).__name__}"


def _open_to_all(address: str) -> list[Examined]:
    if takes_any_token(address):
        sentence = (
            "Ray takes commands from anybody: start it with RAY_AUTH_MODE=token and a token "
            "(ray get-auth-token --generate)"
        )
        return [Examined("cluster", None, problem=sentence)]
    return []


@contextmanager
def _probe(storage: str) -> Iterator[Folder]:
    """A folder on storage with a file to be found on every node, gone afterwards.

    Raises:
        ClusterError: it cannot be written.
    """
    place = Storage.open(storage)
    there = place.local is None or place.local.exists()
    probe = Folder(place, f".recur-doctor-{secrets.token_hex(8)}")
    try:
        probe.write("seed", probe.name.encode())
        yield probe
    finally:
        with suppress(ClusterError):
            probe.remove()
        if not there and place.local is not None:
            with suppress(OSError):
                place.local.rmdir()


def _settled(each: Examined, probe: Folder, key: str) -> Examined:
    """The same, with what is to be said if its file did not come back as it was written."""
    if each.facts is None or each.facts.problems:
        return each
    with suppress(ClusterError):
        if probe.read(key) == key.encode():
            return each
    sentence = f"what it wrote to storage {probe.storage.uri} did not come back the same"
    return _checked(replace(each, facts=replace(each.facts, problems=(sentence,))), "storage", well=False)


def _checked(each: Examined, check: str, *, well: bool) -> Examined:
    """The same, with how a check came out that is not made on the node."""
    if each.facts is None:
        return each
    return replace(each, facts=replace(each.facts, checks=each.facts.checks | {check: well}))


def problems(found: Sequence[Examined], gpu: float) -> list[str]:
    """What is to be mended, a sentence each, with the nodes that it is about.

    ``gpu`` is the share of a card that a trial asks for.
    """
    facts = [each.facts for each in found if each.facts is not None]
    said = [f"{each.name}: {each.problem}" for each in found if each.problem]
    said += [f"{each.name}: {problem}" for each in found if each.facts for problem in each.facts.problems]
    said += _differing("Python", found, lambda f: f.python)
    for package in PACKAGES:
        said += _differing(package, found, partial(_version, package))
    for each in found:
        said += [f"{each.name}: {sentence}" for sentence in _wanting(each)]
    if gpu and not any(each.gpus for each in facts):
        said.append(f"resources.gpu: a trial asks for {gpu:g} of a GPU and no node has one; write gpu: 0")
    return said


def notes(found: Sequence[Examined], gpu: float) -> list[str]:
    """What is no problem and good to know, a sentence each; ``gpu`` as in ``problems``."""
    facts = [(each.name, each.facts) for each in found if each.facts is not None]
    if not gpu or not any(each.gpus for _, each in facts):
        return []
    return [f"{name}: it has no GPU, so no trial goes there" for name, each in facts if not each.gpus]


def _wanting(each: Examined) -> Iterator[str]:
    """What a node that answers has too little of."""
    facts = each.facts
    if facts is None:
        return
    if abs(each.offset) > _CLOCKS_APART:
        direction = "ahead of" if each.offset > 0 else "behind"
        yield f"its clock is {abs(each.offset):.0f} s {direction} this machine's; have NTP set it"
    if facts.disk < _LEAST_DISK:
        yield f"{facts.disk / 1e9:.1f} GB of its disk are free for temporary files; make room for 2 GB"
    if facts.cache < _LEAST_DISK:
        yield f"{facts.cache / 1e9:.1f} GB are free for its cache; make room, or move it by RECUR_CACHE"
    if facts.shm < _LEAST_SHARED:
        yield f"{facts.shm / 1e6:.0f} MB of its shared memory are free; give it 200 MB (docker: --shm-size)"
    for card in facts.busy:
        yield f"its {card} is in use by others; end what runs on it"


def _version(package: str, facts: Facts) -> str:
    return facts.packages.get(package, "missing")


def _differing(what: str, found: Sequence[Examined], value: Callable[[Facts], str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for each in found:
        if each.facts is not None:
            groups.setdefault(value(each.facts), []).append(each.name)
    if len(groups) < 2:
        return []
    have = ", ".join(f"{version} on {' and '.join(names)}" for version, names in sorted(groups.items()))
    return [f"{what} is {have}; install the same on every node"]
