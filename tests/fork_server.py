"""`python -P -m tests.fork_server FD`: import the house once, then fork a process for each command that is asked for.

A command costs more than a second of a processor for its imports, and the tests start hundreds. A fork has them
already. Otherwise it is what `python -P -m <module>` would be: a process of its own with its own arguments, variables,
folder, files and session, that ends as the interpreter ends. `tests.processes` is who asks, over the socket FD.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOUSE = ("cli.main", "emulator.server", "web.server", "workers.flower", "workers.run", "workers.several")
"""What the commands import, also what they import only when they are called."""
LARGEST = 1 << 18
"""Bytes of a request; the socket takes fewer."""
NUMBER = struct.Struct("i")
THREADS = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Request:
    """A command: `python -P -m module *arguments`.

    `files` are its stdin, stdout and stderr, and a pipe that is told its process id, and when it has ended its exit
    code as `subprocess` has it.
    """

    module: str
    arguments: list[str]
    environ: dict[str, str]
    folder: str
    files: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was forked, and the pipe that is told of its end."""

    pid: int
    told: int


class Server:
    """Forks for one client, until that is gone."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._parents = (os.getppid(), os.getpid())
        self._selector = selectors.DefaultSelector()
        self._selector.register(client, selectors.EVENT_READ)

    def serve(self) -> Request:
        """Return in each child, with what it is to run; exit when the client is gone."""
        while True:
            for ready, _ in self._selector.select():
                if ready.fileobj is not self._client:
                    self._bury(ready)
                elif self._fork(request := self._receive()) == 0:
                    self._become(request)
                    return request

    def _receive(self) -> Request:
        message, files, _, _ = socket.recv_fds(self._client, LARGEST, 4)
        if not message:
            sys.exit()
        return Request(**json.loads(message), files=tuple(files))

    def _fork(self, request: Request) -> int:
        assert len(list(THREADS.iterdir())) == 1, "an import started a thread, which a fork would lose"
        pid = os.fork()
        if pid != 0:
            *standard, told = request.files
            for file in standard:
                os.close(file)
            os.write(told, NUMBER.pack(pid))
            self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, Child(pid, told))
        return pid

    def _bury(self, ready: selectors.SelectorKey) -> None:
        child: Child = ready.data
        _, status = os.waitpid(child.pid, 0)
        with suppress(BrokenPipeError):  # nobody waits for it
            os.write(child.told, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        self._selector.unregister(ready.fd)
        os.close(child.told)
        os.close(ready.fd)

    def _become(self, request: Request) -> None:
        """Leave the server's files behind and take on those of the request, with all else that it says."""
        os.setsid()
        for number, file in enumerate(request.files[:3]):
            os.dup2(file, number)
        others = [number for key in self._selector.get_map().values() if key.data for number in (key.fd, key.data.told)]
        for file in (*request.files, *others):
            os.close(file)
        self._selector.close()
        self._client.close()
        os.chdir(request.folder)
        os.environ.clear()
        os.environ.update(request.environ)
        client, server = self._parents
        if request.environ.get("MIREPOIX_PARENT") == str(client):
            os.environ["MIREPOIX_PARENT"] = str(server)  # our parent, which ends when the client does


def main() -> None:
    """Serve, and in each child run what was asked for."""
    client = socket.socket(fileno=int(sys.argv[1]))
    for module in HOUSE:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that no collection in a child touches, and by that copies, what all share
    request = Server(client).serve()
    sys.argv[1:] = request.arguments
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
