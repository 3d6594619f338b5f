"""Settings, configuration and client for a command."""

from __future__ import annotations

from collections.abc import Callable

from db.routers import load_file
from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.config_file import load_config
from mirepoix.settings import Settings


def settings() -> Settings:
    """From the environment."""
    return Settings.from_env()


def config(given: Settings) -> Config:
    """The configuration file that `given` points to."""
    return load_config(given.config_path)


def client() -> Client:
    """A client on a database that is ready; raises LedgerError."""
    given = settings()
    if given.exports_spans:
        _record_spans()
    opened = Client(given)
    opened.database.require_migrated()
    return opened


def trained_files(client: Client) -> Callable[[str], bytes]:
    """Reads trained files by their hashes from the ledger of `client`; raises NotFound."""

    def read(hash_: str) -> bytes:
        with client.database.read() as connection:
            return load_file(connection, hash_)

    return read


def _record_spans() -> None:
    """Send what this command records to the collector, at its end; without the extra `otel` it records nothing."""
    try:
        from opentelemetry import trace

        from mirepoix.spans import open_export

        trace.set_tracer_provider(open_export("mirepoix"))
    except ImportError:
        return
