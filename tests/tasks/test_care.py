"""What becomes of jobs whose start breaks in an unforeseen way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.migrate import migrate
from mirepoix import Call, Client, Settings
from mirepoix.config_file import parse_config
from mirepoix.states import ErrorKind
from mirepoix.wake import connect
from tasks.care import caring_for_jobs
from tasks.house import House
from workers.app import create_app
from workers.embedded import EmbeddedBroker

CONFIG = """
providers: {openai: {api: openai}}
models: {mini: {provider: openai, name: gpt-5.4-mini}}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    environ = {"MIREPOIX_HOME": str(tmp_path), "MIREPOIX_BROKER_URL": broker.url, "MIREPOIX_REDIS_URL": broker.url}
    _, opened = create_app(Settings.from_env(environ), parse_config(CONFIG))
    migrate(opened.database)
    yield opened
    opened.app.close()
    broker.stop()


def starts(house: House) -> list[list[str]]:
    """The jobs of each message that waits for an orchestrator, in no order."""
    found = list[list[str]]()
    for entry in connect(house.settings.redis_url).lrange("orchestrate", 0, -1):
        body: list[Any] = json.loads(base64.b64decode(json.loads(entry)["body"]))
        found.append(body[0])
    return sorted(found)


def test_jobs_whose_start_breaks_go_on_alone_and_one_that_breaks_alone_fails(house: House) -> None:
    with Client(house.settings, house.config) as client:
        first, second = client.submit_many(Call(model="mini"), ["one", "two"])
        assert starts(house) == [[first.id, second.id]]
        connect(house.settings.redis_url).delete("orchestrate")
        with pytest.raises(ZeroDivisionError), caring_for_jobs(house, [first.id, second.id]):
            raise ZeroDivisionError
        assert starts(house) == sorted([[first.id], [second.id]])
        with pytest.raises(ZeroDivisionError), caring_for_jobs(house, [first.id]):
            raise ZeroDivisionError
        assert first.view().error_kind == ErrorKind.INTERNAL
        assert not second.state.terminal
