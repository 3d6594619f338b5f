"""Where things are: the settings that the environment gives, read once and passed on as an object.

With none set: an embedded Valkey and SQLite, both under `.mirepoix/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mirepoix.embedded import embedded_broker_url
from mirepoix.errors import ConfigError

REDIS_SCHEMES = ("redis", "rediss", "redis+socket")
LONGEST = 600
"""Seconds; of the clocks that the environment sets."""
LOOPBACK = ("127.0.0.1", "localhost", "::1", "", None)


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and places. `redis_url` is where results and wake-ups go: the broker itself when it is a Redis.

    `lease` is for how many seconds a worker process may show no sign of life before its steps are taken back. The other
    clocks of repair go with it: a longer lease is calmer, a shorter one repairs sooner. `grace`
    is how many seconds a worker that is told to stop lets its calls in flight go on. `forget_after` is how many seconds
    after a job's end what its pipeline does not store is redacted or dropped.

    Each worker serves its metrics on `metrics_host`, at the first free port from `metrics_port` on; 0: on none.
    `web_url`: where people reach the pages, for links to them.
    `exports_spans`: OpenTelemetry's own variables name who is to receive spans.
    """

    home: Path
    config_path: Path
    database_url: str
    broker_url: str
    redis_url: str
    broker_is_embedded: bool
    emulator_url: str | None = None
    lease: float = 15.0
    grace: float = 20.0
    forget_after: float = 300.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    web_url: str | None = None
    exports_spans: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables `MIREPOIX_…` that README lists; raises ConfigError."""
        home = Path(environ.get("MIREPOIX_HOME") or ".mirepoix").absolute()
        given = environ.get("MIREPOIX_BROKER_URL")
        broker_url = given or embedded_broker_url(home)
        return cls(
            home=home,
            config_path=Path(environ.get("MIREPOIX_CONFIG") or "mirepoix.yaml").absolute(),
            database_url=_database_url(environ.get("MIREPOIX_DATABASE_URL"), home),
            broker_url=broker_url,
            redis_url=_redis_url(environ.get("MIREPOIX_REDIS_URL"), broker_url),
            broker_is_embedded=not given,
            emulator_url=environ.get("MIREPOIX_EMULATOR_URL") or None,
            lease=_seconds("MIREPOIX_LEASE", environ, 15.0, least=1),
            grace=_seconds("MIREPOIX_GRACE", environ, 20.0, least=0),
            forget_after=_seconds("MIREPOIX_FORGET_AFTER", environ, 300.0, least=0),
            metrics_host=environ.get("MIREPOIX_METRICS_HOST") or "127.0.0.1",
            metrics_port=_port("MIREPOIX_METRICS_PORT", environ),
            web_url=_web_url(environ.get("MIREPOIX_WEB_URL")),
            exports_spans=_exports_spans(environ),
        )

    def environ(self) -> dict[str, str]:
        """The variables that give a child process these same settings."""
        variables = {
            "MIREPOIX_HOME": str(self.home),
            "MIREPOIX_CONFIG": str(self.config_path),
            "MIREPOIX_DATABASE_URL": self.database_url,
            "MIREPOIX_BROKER_URL": self.broker_url,
            "MIREPOIX_REDIS_URL": self.redis_url,
            "MIREPOIX_LEASE": f"{self.lease:g}",
            "MIREPOIX_GRACE": f"{self.grace:g}",
            "MIREPOIX_FORGET_AFTER": f"{self.forget_after:g}",
            "MIREPOIX_METRICS_HOST": self.metrics_host,
            "MIREPOIX_METRICS_PORT": str(self.metrics_port),
        }
        known = {"MIREPOIX_EMULATOR_URL": self.emulator_url, "MIREPOIX_WEB_URL": self.web_url}
        return variables | {name: value for name, value in known.items() if value}


def masked(url: str) -> str:
    """`url` without its password, unless it leads to this machine only."""
    parts = urlsplit(url)
    if parts.password is None or parts.hostname in LOOPBACK:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@", 1)))


def _database_url(given: str | None, home: Path) -> str:
    if not given:
        return f"sqlite:///{home / 'ledger.sqlite3'}"
    for plain in ("postgresql://", "postgres://"):
        if given.startswith(plain):
            return "postgresql+psycopg://" + given.removeprefix(plain)
    if not given.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ConfigError("MIREPOIX_DATABASE_URL must begin with postgresql:// or sqlite:///.")
    return given


def _redis_url(given: str | None, broker_url: str) -> str:
    if given:
        return given
    if broker_url.split("://", maxsplit=1)[0] in REDIS_SCHEMES:
        return broker_url
    raise ConfigError("this broker keeps no results: set MIREPOIX_REDIS_URL to a Redis or Valkey beside it.")


def _seconds(name: str, environ: Mapping[str, str], default: float, *, least: float) -> float:
    given = environ.get(name)
    try:
        seconds = float(given) if given else default
    except ValueError:
        seconds = -1.0
    if not least <= seconds <= LONGEST:
        raise ConfigError(f"{name} is {given!r}; it must be seconds, from {least:g} to {LONGEST}.")
    return seconds


def _port(name: str, environ: Mapping[str, str]) -> int:
    given = environ.get(name) or "0"
    if not (given.isascii() and given.isdigit() and int(given) <= 65535):
        raise ConfigError(f"{name} is {given!r}; it must be a port, from 1 to 65535, or 0 for none.")
    return int(given)


def _exports_spans(environ: Mapping[str, str]) -> bool:
    """As OpenTelemetry's specification of environment variables has it, but off without an endpoint."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return any(environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))


def _web_url(given: str | None) -> str | None:
    if given and not given.startswith(("http://", "https://")):
        raise ConfigError("MIREPOIX_WEB_URL must begin with http:// or https://.")
    return given or None
