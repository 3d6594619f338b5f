"""Processes that run a module of the house for tests: forks of `tests.fork_server` where they can be, else new ones."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol

from tests.fork_server import NUMBER

READ_AT_START = ("LD_", "PYTHON")
"""How the variables begin that the loader and the interpreter read once: no fork could follow them."""


class Process(Protocol):
    """What tests use of a `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """The process id."""

    def poll(self) -> int | None:
        """The exit code when it has ended, negative for a signal; None as long as it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired when it runs for `timeout` seconds more."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


def start(
    module: str, *arguments: str, environ: Mapping[str, str], folder: Path, files: tuple[IO[Any], IO[Any], IO[Any]]
) -> Process:
    """Start `python -P -m module *arguments` in `folder`, in a session of its own; `files`: stdin, stdout, stderr."""
    if sys.platform == "linux" and _read_at_start(environ) == _read_at_start(os.environ):
        return _forks().start(module, arguments, environ, folder, files)
    stdin, stdout, stderr = files
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env=environ,
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def run(
    module: str, *arguments: str, environ: Mapping[str, str], folder: Path, stdin: str = "", timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -P -m module *arguments` to its end, and keep what it prints.

    Raises subprocess.TimeoutExpired after `timeout` seconds.
    """
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
    ):
        given.write(stdin)
        given.seek(0)
        process = start(module, *arguments, environ=environ, folder=folder, files=(given, stdout, stderr))
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess([module, *arguments], code, stdout.read(), stderr.read())


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key.startswith(READ_AT_START)}


@cache
def _forks() -> _Forks:
    """One server for all tests of this process."""
    forks = _Forks()
    atexit.register(forks.close)
    return forks


class _Forks:
    """The server of forks, and the socket over which it is asked."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # for as long as the server runs
        self._server = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.fork_server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,  # a Ctrl-C is for us; what we started we end
        )
        theirs.close()

    def start(
        self,
        module: str,
        arguments: tuple[str, ...],
        environ: Mapping[str, str],
        folder: Path,
        files: tuple[IO[Any], IO[Any], IO[Any]],
    ) -> _Fork:
        """Have a process forked."""
        request = {"module": module, "arguments": arguments, "environ": dict(environ), "folder": str(folder)}
        read, write = os.pipe()
        try:
            standard = [file.fileno() for file in files]
            socket.send_fds(self._socket, [json.dumps(request).encode()], [*standard, write])
        finally:
            os.close(write)
        return _Fork(read, self)

    def close(self) -> None:
        """Let the server end."""
        self._socket.close()
        self._server.wait()
        self._said.close()

    def said(self) -> str:
        """What the server printed before it ended: why it did."""
        self._said.seek(0)
        return self._said.read()


class _Fork:
    """A process that the server has forked, and tells us of: first its id, then its exit code."""

    def __init__(self, told: int, forks: _Forks) -> None:
        self._told, self._forks = told, forks
        self._code: int | None = None
        self.pid = self._read()

    def poll(self) -> int | None:
        """The exit code, or None."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises subprocess.TimeoutExpired."""
        if self._code is None:
            look = select.poll()
            look.register(self._told, select.POLLIN)
            if not look.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._code = self._read()
            os.close(self._told)
        return self._code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended at this moment
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        number = os.read(self._told, NUMBER.size)
        if not number:
            raise RuntimeError(f"tests.fork_server has ended:\n{self._forks.said()}")
        return int(NUMBER.unpack(number)[0])
