"""Every canvas that the house can build passes the sieve, and what is wrong is named without being repeated."""

from __future__ import annotations

import json

import pytest
from celery import Celery
from hypothesis import given, settings
from kombu.utils.json import dumps
from pydantic import JsonValue

from mirepoix import Call, Chain, Ensemble
from mirepoix.paths import MAX_DEPTH, root
from mirepoix.queues import CALL, EXPAND, GATE, GO_ON, REDUCE, ROUTE
from mirepoix.spec import Pipeline
from mirepoix.states import Lane
from pipelines.canvas import Canvas
from tests.specs import MODELS, pipelines
from tests.system.poison import EMBED, JOB, MESSAGES, body, headers
from workers.contract import Headers, Malformed, check_body, checked, parse

IDS = {"job_id": str, "path": str}
TASKS = dict.fromkeys((CALL, ROUTE, GATE, REDUCE, EXPAND), IDS) | {GO_ON: IDS | {"index": int}}
APP = Celery(set_as_current=False)


def passes(spec: Pipeline) -> None:
    """The canvas of `spec` may follow a task, as a link of its chain or in its chord."""
    canvas: JsonValue = json.loads(dumps(Canvas(APP, JOB, Lane.FAST, MODELS.__getitem__).of(root(spec))))
    for after in ({"chain": [canvas]}, {"chord": canvas}):
        check_body(json.dumps([[JOB, "$"], {}, EMBED | after]).encode(), CALL, TASKS)


@settings(max_examples=300, deadline=None)
@given(spec=pipelines())
def test_every_canvas_of_the_house_passes(spec: Pipeline) -> None:
    passes(spec)


def test_the_deepest_canvas_passes() -> None:
    spec: Pipeline = Call(model="a")
    for level in range(MAX_DEPTH):
        spec = Ensemble(members=(spec,)) if level % 2 else Chain(steps=(Call(model="b"), spec))
    passes(spec)


def test_the_headers_of_celery_pass() -> None:
    assert checked(Headers, headers(CALL, (JOB, "$"))).task == CALL


@pytest.mark.parametrize(
    "name", [name for name in MESSAGES if "argument" in name or "chain" in name or "embed" in name]
)
def test_a_refusal_does_not_repeat_what_it_refuses(name: str) -> None:
    parts = MESSAGES[name]
    with pytest.raises(Malformed) as refused:
        check_body(parts.body, parts.headers["task"], TASKS)
    assert "os.system" not in str(refused.value)
    assert len(str(refused.value)) < 120


def test_a_key_of_a_stranger_is_not_repeated() -> None:
    with pytest.raises(Malformed) as refused:
        check_body(body([JOB, "$"], None, EMBED | {"a secret of ours": 1}), CALL, TASKS)
    assert "secret" not in str(refused.value)


def test_a_type_of_kombus_is_taken_only_where_it_may_stand() -> None:
    raw = b'{"at": {"__type__": "datetime", "__value__": "2026-01-01T00:00:00"}}'
    assert parse(raw, types=True)
    with pytest.raises(Malformed):
        parse(raw)
