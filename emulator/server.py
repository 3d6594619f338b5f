"""The emulator as a running server: in this process, or in one of its own."""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from emulator.app import create_app
from emulator.resets import ResettableHttp
from emulator.settings import EmulatorSettings
from mirepoix.errors import ConfigError, MirepoixError

START_SECONDS = 30
GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75  # longer than clients keep a connection in their pools, so that they are the ones to close it


def serve(settings: EmulatorSettings, host: str = "127.0.0.1", port: int = 0, *, port_file: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM; prints nothing.

    Port 0 takes a free one. Once the socket listens, its port is written to `port_file`, atomically. Raises
    ConfigError where the settings cannot be used or the address is taken.
    """
    app = create_app(settings)
    listener = _listen(host, port)
    if port_file is not None:
        _write_atomically(port_file, str(listener.getsockname()[1]))
    config = uvicorn.Config(
        app,
        http=ResettableHttp,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    with suppress(KeyboardInterrupt):  # raised again by uvicorn after a clean end: Ctrl-C is how a server ends
        uvicorn.Server(config).run(sockets=[listener])


@dataclass(slots=True)
class EmulatorProcess:
    """An emulator in a process of its own, running within `with EmulatorProcess(settings) as emulator: ...`.

    `url` is where it listens.
    """

    settings: EmulatorSettings
    url: str = ""
    _process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Self:
        with tempfile.TemporaryDirectory() as folder:
            port_file = Path(folder) / "port"
            # Spawned, not forked: a fork would take over the caller's locks in whatever state they are.
            context = multiprocessing.get_context("spawn")
            self._process = context.Process(target=serve, args=(self.settings,), kwargs={"port_file": port_file})
            self._process.start()
            self.url = f"http://127.0.0.1:{_read_port(port_file, self._process)}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process as Ctrl-C would, and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.join()

    def kill(self) -> None:
        """End the process at once with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"the emulator cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error


def _write_atomically(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _read_port(port_file: Path, process: multiprocessing.process.BaseProcess) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not port_file.exists():
        process.join(timeout=0.02)
        if process.exitcode is not None:
            raise MirepoixError(f"the emulator ended while it started, with exit code {process.exitcode}.")
        if time.monotonic() > deadline:
            process.kill()
            raise MirepoixError(f"the emulator did not start within {START_SECONDS} s.")
    return int(port_file.read_text(encoding="utf-8"))
