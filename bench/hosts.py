"""Several hosts on one machine: network namespaces, each with a loopback of its own and a wire (veth) to one bridge.

What listens on `GATEWAY` is reached from all of them, as over a network. Linux only, needs root and iproute2; see
ip-netns(8) and veth(4).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

NETWORK = "10.203.77"
GATEWAY = f"{NETWORK}.1"
BRIDGE = "mirepoix-bench"


@dataclass(frozen=True, slots=True)
class Host:
    """One of them."""

    name: str
    address: str

    @property
    def inside(self) -> list[str]:
        """What stands before a command that is to run there; the process keeps its id."""
        return ["ip", "netns", "exec", self.name]


def missing() -> str | None:
    """Why there can be no hosts here; None where there can."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if _ip("link", "add", BRIDGE, "type", "bridge", check=False).returncode != 0:
        return "this system makes no bridges"
    _ip("link", "del", BRIDGE)
    return None


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many hosts while the block runs. Raises subprocess.CalledProcessError, whose `stderr` says what fails."""
    with ExitStack() as stack:
        _ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(_ip, "link", "del", BRIDGE)
        _ip("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        yield [stack.enter_context(_host(number)) for number in range(count)]


@contextmanager
def _host(number: int) -> Iterator[Host]:
    host = Host(f"{BRIDGE}-{number}", f"{NETWORK}.{number + 2}")
    wire = f"mirepoix{number}"
    _ip("netns", "add", host.name)
    try:
        _ip("link", "add", wire, "master", BRIDGE, "up", "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _ip("-n", host.name, "link", "set", interface, "up")
        yield host
    finally:
        _ip("netns", "del", host.name)


def _ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)
