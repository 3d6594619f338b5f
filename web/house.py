"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.settings import Settings


@dataclass(frozen=True, slots=True)
class House:
    """Settings, pipelines, and the client that threads share. `password` guards the pages, where there is one."""

    settings: Settings
    config: Config
    client: Client
    password: str | None = None


def house_of(connection: HTTPConnection) -> House:
    """The house that a request came to."""
    house: House = connection.app.state.house
    return house
