"""Settings, configuration and client for a command."""

from __future__ import annotations

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
    opened = Client(settings())
    opened.database.require_migrated()
    return opened
