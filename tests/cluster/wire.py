"""``python -m tests.cluster.wire PREFIX COUNT``: what connects the hosts of ``tests.cluster.hosts``.

It moves packets between the hosts' devices as it is told on standard input, a line a command: ``cut HOST``,
``heal HOST``, ``slow HOST SECONDS SHARE`` (each packet from or to the host comes that much later, or, by
chance, never).  A kernel without netem can do no more than cut.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time

_TUNSETIFF, _TUN, _NO_INFO, _NEW_NETWORK = 0x400454CA, 0x0001, 0x1000, 0x40000000
_LONGEST = 65536


def device(namespace: str) -> int:
    """The device of a host: what is sent there is read here, and what is written here arrives there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as entered:  # noqa: PTH123 - a descriptor is wanted
        if libc.setns(entered.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
    opened = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(opened, _TUNSETIFF, struct.pack("16sH", b"eth0", _TUN | _NO_INFO))
    return opened


class Wire:
    def __init__(self, devices: dict[int, int]) -> None:
        self.devices = devices
        self.cut: set[int] = set()
        self.slow: dict[int, tuple[float, float]] = {}
        self.chance = random.Random(1)  # noqa: S311 - no secret
        self.on_their_way: list[tuple[float, int, int, bytes]] = []
        self.count = 0

    def take(self, source: int) -> None:
        """Send on what a host has sent."""
        while True:
            try:
                packet = os.read(self.devices[source], _LONGEST)
            except BlockingIOError:
                return
            target = packet[19] if packet[0] >> 4 == 4 else 0  # the last number of an IPv4 address
            if target in self.devices:
                self.send(source, target, packet)

    def send(self, source: int, target: int, packet: bytes) -> None:
        ends = {source, target}
        if ends & self.cut or any(self.chance.random() < self.slow[end][1] for end in ends & set(self.slow)):
            return
        late = sum(self.slow[end][0] for end in ends & set(self.slow))
        self.count += 1
        heapq.heappush(self.on_their_way, (time.monotonic() + late, self.count, target, packet))

    def deliver(self) -> float | None:
        """Hand over what is due; the seconds until there is more, None where there is nothing."""
        while self.on_their_way:
            due, _, target, packet = self.on_their_way[0]
            left = due - time.monotonic()
            if left > 0:
                return left
            heapq.heappop(self.on_their_way)
            if target not in self.cut:
                try:
                    os.write(self.devices[target], packet)
                except OSError:
                    continue  # its queue is full, or it is gone: a packet is lost, as they are
        return None

    def obey(self, command: str) -> None:
        match command.split():
            case ["cut", host]:
                self.cut.add(int(host))
            case ["heal", host]:
                self.cut.discard(int(host))
            case ["slow", host, seconds, share]:
                self.slow[int(host)] = float(seconds), float(share)


def main(prefix: str, count: int) -> None:
    wire = Wire({host: device(f"{prefix}{host}") for host in range(1, count + 1)})
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ, 0)
        for host, opened in wire.devices.items():
            selector.register(opened, selectors.EVENT_READ, host)
        print("up", flush=True)  # noqa: T201 - for who started it
        while True:
            for key, _ in selector.select(wire.deliver()):
                if key.data:
                    wire.take(key.data)
                    continue
                commands = os.read(key.fd, _LONGEST).decode()
                if not commands:
                    return
                for command in commands.splitlines():
                    wire.obey(command)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
