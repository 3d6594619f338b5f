"""The OpenAPI description is true: schemathesis makes requests of it, good and bad, and looks at the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.system.door import open_door
from tests.system.world import open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

CONFIG = Path(__file__).parent / "door.yaml"
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]


KEY: dict[str, str] = {}
"""The header that lets schemathesis in; filled in when there is a door."""
EXAMPLES = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@schemathesis.serializer("application/x-ndjson")
def as_it_is(context: schemathesis.SerializationContext, value: object) -> bytes:
    """A text of lines is sent as it is."""
    return str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    """What a guarded door says of itself."""
    home = tmp_path_factory.mktemp("openapi")
    config = home / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace("SPEAKER", "http://127.0.0.1:9"))
    with open_world(home, config=config, emulate=False) as world:
        (made,) = world.lines("keys", "create", "--tenant", "acme", "--scope", "admin")
        KEY["Authorization"] = f"Bearer {made['key']}"
        yield schemathesis.openapi.from_url(f"{open_door(world)}/openapi.json")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Goes through no proxy of the environment."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def operations_of(api: OpenApiSchema) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """All that is described; a description that cannot be read is an error."""
    for found in api.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_answer_is_as_described_and_none_is_a_server_error(
    api: OpenApiSchema, session: requests.Session, mode: GenerationMode, record_property: Callable[[str, object], None]
) -> None:
    statuses = Counter[int]()

    def send(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and "pipeline" in case.body:
            case.body["pipeline"] = "plain"  # else every job would be for a pipeline that there is not
        # A bad line of a bulk is told in its result, so there is no body that is wrong as a whole.
        checks = CHECKS[:-1] if case.operation.path.endswith(":bulk") else CHECKS
        statuses[case.call_and_validate(checks=checks, session=session, timeout=20).status_code] += 1

    for operation in operations_of(api):
        with suppress(Unsatisfiable):  # there is nothing wrong to be sent where there are no parameters
            EXAMPLES(given(case=operation.as_strategy(generation_mode=mode, headers=KEY))(send))()
    assert sum(statuses.values()) > 50, statuses
    assert (202 in statuses) == (mode is GenerationMode.POSITIVE), statuses
    record_property("figure", f"schemathesis, {mode.value}: {dict(sorted(statuses.items()))}")


def test_it_describes_all_that_there_is(api: OpenApiSchema) -> None:
    described = {(operation.method.upper(), operation.path) for operation in operations_of(api)}
    assert described == {
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("POST", "/v1/jobs:bulk"),
        ("GET", "/v1/jobs/{id}"),
        ("DELETE", "/v1/jobs/{id}"),
        ("GET", "/v1/jobs/{id}/trace"),
        ("GET", "/v1/autoscale"),
        ("GET", "/v1/jobs/{id}/events"),
        ("POST", "/v1/jobs/{id}/feedback"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"),
    }
    assert api.raw_schema["openapi"].startswith("3.1")
