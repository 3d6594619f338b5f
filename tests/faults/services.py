"""The servers that a stack runs on, each a process of ours that can be killed, frozen and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psycopg
import redis

from tests.faults.packages import find_program
from workers.embedded import EmbeddedBroker
from workers.stack import free_port

STARTUP = 60.0


class Service(ABC):
    """A server with its data in `folder`. `url` is how the house reaches it."""

    url: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it on the data that is there, and wait until it answers."""

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, all of its processes at once."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it stand still: its connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, how)

    def _end(self, how: signal.Signals) -> None:
        self._signal(signal.SIGCONT)
        self._signal(how)
        if self._process is not None:
            self._process.wait(STARTUP)
        self._process = None

    def _spawn(self, command: list[str], environ: dict[str, str] | None = None, user: str | None = None) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | (environ or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        deadline = time.monotonic() + STARTUP
        while not self._answers():
            died = self._process.poll() is not None
            if died or time.monotonic() > deadline:
                log_text = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{type(self).__name__} did not start:\n{log_text}")
            time.sleep(0.02)

    @abstractmethod
    def _answers(self) -> bool: ...


class Broker(Service):
    """A server whose data may be lost. A ledger's may not: it is what the promises rest on."""

    @abstractmethod
    def wipe(self) -> None:
        """Remove its data; it must not run."""


class Valkey(Broker):
    """The embedded broker; its data is kept in an append-only file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._broker = EmbeddedBroker(folder)
        self.url = self._broker.url
        self._pid = 0

    def start(self) -> None:
        """Start it on the port it had before: the house knows its address."""
        self._broker.start()
        if self._broker.url != self.url:
            raise RuntimeError("somebody else took the broker's port")
        client: redis.Redis = redis.Redis.from_url(self.url)
        self._pid = int(client.info("server")["process_id"])
        client.close()

    def stop(self) -> None:
        """End it in good order."""
        self._broker.stop()

    def wipe(self) -> None:
        """Remove its append-only file."""
        shutil.rmtree(self.folder / "valkey")

    def _end(self, how: signal.Signals) -> None:
        os.kill(self._pid, how)
        while self._answers():
            time.sleep(0.005)

    def _signal(self, how: signal.Signals) -> None:
        os.kill(self._pid, how)

    def _answers(self) -> bool:
        host, port = "127.0.0.1", int(self.url.rpartition(":")[2].partition("/")[0])
        return listens(host, port)


class RabbitMQ(Broker):
    """RabbitMQ with a node name, ports, a cookie and an epmd of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        self._port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start it; takes some seconds, most of them the Erlang machine's."""
        if self._epmd is None:
            epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = subprocess.Popen(epmd, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._spawn([str(find_program("rabbitmq-server"))], self._environ())

    def stop(self) -> None:
        """End it and its epmd. What the Erlang machine does at a clean end takes seconds, and nobody needs it."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def wipe(self) -> None:
        """Remove all queues with all messages, exchanges and users."""
        shutil.rmtree(self.folder / "mnesia")

    def _environ(self) -> dict[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),  # the cookie is written here
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "faults@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def _answers(self) -> bool:
        """It listens last of all things, when all queues are there."""
        return listens("127.0.0.1", self._port)


class PostgreSQL(Service):
    """PostgreSQL with one database. It refuses to run as root, and runs as `postgres` then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        self._port = free_port()
        self._user = "postgres" if os.geteuid() == 0 else None
        self.url = f"postgresql://mirepoix@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, on a fresh cluster the first time."""
        if not (self.folder / "data").exists():
            self._create()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "300",
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        data = str(self.folder / "data")
        self._spawn([self._program("postgres"), "-D", data, "-p", str(self._port), *settings], user=self._user)

    def stop(self) -> None:
        """End it at once: connections are cut, and transactions under way are rolled back."""
        self._end(signal.SIGINT)

    def _create(self) -> None:
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        command = [
            self._program("initdb"),
            "-D",
            str(self.folder / "data"),
            "-U",
            "mirepoix",
            "-A",
            "trust",
            "--no-sync",
        ]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd=self.folder,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
        )

    def _program(self, name: str) -> str:
        return str(find_program(name))

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True


class SQLite(Service):
    """Not a server, but it can be out of reach like one: while somebody holds its write lock."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"sqlite:///{folder / 'ledger.sqlite3'}"
        self._release = threading.Event()
        self._holder: threading.Thread | None = None

    def start(self) -> None:
        """Let go of the lock."""
        if self._holder is not None:
            self._release.set()
            self._holder.join()
            self._holder = None

    def stop(self) -> None:
        """Take the lock."""
        self._release.clear()
        taken = threading.Event()
        self._holder = threading.Thread(target=self._hold, args=(taken,))
        self._holder.start()
        taken.wait()

    def _hold(self, taken: threading.Event) -> None:
        connection = sqlite3.connect(self.folder / "ledger.sqlite3", isolation_level=None, timeout=30)
        connection.execute("BEGIN EXCLUSIVE")
        taken.set()
        self._release.wait()
        connection.execute("ROLLBACK")
        connection.close()

    def _answers(self) -> bool:
        return True


def listens(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True
