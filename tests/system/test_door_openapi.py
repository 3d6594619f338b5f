"""The OpenAPI description is true: schemathesis makes requests of it, good and bad, and looks at the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.openapi import OpenApiSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.door import open_door
from tests.system.world import open_world

pytestmark = pytest.mark.system

CONFIG = Path(__file__).parent / "door.yaml"
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApiSchema]:
    """A door without keys, and its own description of itself."""
    home = tmp_path_factory.mktemp("openapi")
    config = home / "mirepoix.yaml"
    config.write_text(CONFIG.read_text().replace("SPEAKER", "http://127.0.0.1:9"))
    with open_world(home, config=config, emulate=False) as world:
        yield schemathesis.openapi.from_url(f"{open_door(world)}/openapi.json")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Goes through no proxy of the environment."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


described = schemathesis.pytest.from_fixture("api")


@described.parametrize()
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described_and_none_is_a_server_error(
    case: schemathesis.Case, session: requests.Session
) -> None:
    if (
        isinstance(case.body, dict)
        and case.body.get("pipeline")
        and case.meta
        and case.meta.generation.mode.is_positive
    ):
        case.body["pipeline"] = "plain"
    case.call_and_validate(checks=CHECKS, session=session, timeout=20)


def test_it_describes_all_that_there_is(api: OpenApiSchema) -> None:
    described = {(operation.ok().method.upper(), operation.ok().path) for operation in api.get_all_operations()}
    assert described == {
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("POST", "/v1/jobs:bulk"),
        ("GET", "/v1/jobs/{id}"),
        ("DELETE", "/v1/jobs/{id}"),
        ("GET", "/v1/jobs/{id}/trace"),
        ("GET", "/v1/jobs/{id}/events"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"),
    }
    assert api.raw_schema["openapi"].startswith("3.1")
