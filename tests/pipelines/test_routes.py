"""Which branches can answer, and which of them is preferred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirepoix.config import Config, Model, Provider
from mirepoix.errors import PipelineError
from mirepoix.facts import context_window
from mirepoix.paths import find, root
from mirepoix.spec import Route, dump, parse
from mirepoix.states import ErrorKind
from pipelines.check import check_pipeline
from pipelines.routers import Choice, Preference, Query, check_route, choose_branch
from pipelines.routers.expectation import Candidate
from pipelines.routers.explain import explain_calls, explain_routes
from pipelines.routers.query import as_query
from tests.pipelines.sensitive import CARD
from tests.specs import pipelines

PROVIDERS = {"far": {"api": "openai"}, "near": {"api": "python", "external": False}}
PRICE = {"input": 1, "output": 2}
MODELS: dict[str, dict[str, Any]] = {
    "cheap": {"provider": "far", "price": PRICE, "max_tokens": 100, "latency": {"first_token": 3}},
    "dear": {
        "provider": "far",
        "price": {"input": 10, "output": 20},
        "max_tokens": 100,
        "latency": {"first_token": 0.5, "tokens_per_second": 100},
    },
    "small": {"provider": "far", "price": PRICE, "max_tokens": 100, "context_window": 200},
    "plain": {"provider": "far", "price": PRICE, "capabilities": ["sampling"]},
    "able": {"provider": "far", "price": {"input": 9, "output": 9}, "capabilities": ["vision", "tools"]},
    "covered": {"provider": "far", "price": PRICE, "fallbacks": ["cheap", "house"]},
    "house": {"provider": "near", "callable": "json:loads"},
    "a": {"provider": "far", "price": PRICE},
    "b": {"provider": "far", "price": PRICE},
}
PRIVATE = f"My card is {CARD}."
LONG = "word " * 1000
TOOLS = [{"name": "look", "description": "looks", "parameters": {}}]


def config(**more: object) -> Config:
    """The configuration of these tests."""
    return Config.model_validate({"providers": PROVIDERS, "models": MODELS, **more})


def call(model: str, **options: object) -> dict[str, Any]:
    """A call as YAML has it."""
    return {"call": {"model": model, **options}}


def route(by: str, *to: Mapping[str, Any], **options: object) -> Route:
    """A route as YAML has it."""
    built = parse({"route": {"by": by, "to": list(to), **options}})
    assert isinstance(built, Route)
    return built


def chosen(
    node: Route, text: str, *, files: int = 0, measured: Mapping[str, float] | None = None, **more: Any
) -> Choice:
    """What the route makes of `text`."""
    return choose_branch(root(node), Query(text, config(**more), files=files), measured or {})


ANSWERS_IN_THE_HOUSE = [
    call("house"),
    call("covered"),
    {"chain": [call("house"), call("covered")]},
    {"cascade": {"tiers": [call("cheap"), call("house")]}},
    {"ensemble": {"members": [call("house"), call("cheap"), call("covered")], "min_success": 2}},
    {"route": {"by": "first", "to": [call("cheap"), call("house")]}},
    {"map": {"each": call("house")}},
]
MUST_ASK_OUTSIDE = [
    call("cheap"),
    {"chain": [call("house"), call("cheap")]},
    {"cascade": {"tiers": [call("cheap"), call("dear")]}},
    {"ensemble": {"members": [call("house"), call("cheap"), call("dear")], "min_success": 2}},
    {"route": {"by": "first", "to": [call("cheap"), call("dear")]}},
    {"map": {"each": call("cheap")}},
    {"chain": [{"when": "true", **call("cheap")}, call("house")]},
]


@pytest.mark.parametrize("there", ANSWERS_IN_THE_HOUSE, ids=str)
@pytest.mark.parametrize("outside", MUST_ASK_OUTSIDE, ids=str)
def test_what_is_sensitive_goes_where_it_can_be_answered_in_the_house(
    outside: dict[str, Any], there: dict[str, Any]
) -> None:
    choice = chosen(route("first", outside, there), PRIVATE)
    assert choice.index == 1
    reasons = choice.decision.features["ruled_out"]["to.0"]
    assert all(why.startswith("privacy: the query holds card (1)") for why in reasons)
    assert choice.decision.features["sensitive"] == {"card": 1}
    assert "4111" not in choice.decision.model_dump_json()
    assert chosen(route("first", outside, there), "Nothing of the kind.").index == 0


@pytest.mark.parametrize("outside", MUST_ASK_OUTSIDE, ids=str)
def test_where_all_would_ask_outside_the_route_fails_and_says_why(outside: dict[str, Any]) -> None:
    choice = chosen(route("first", outside, call("cheap")), PRIVATE)
    assert (choice.index, choice.failure) == (None, ErrorKind.PRIVACY)
    assert "without a fallback in the house" in choice.decision.reason


@pytest.mark.parametrize("outside", MUST_ASK_OUTSIDE, ids=str)
def test_the_models_of_the_pipeline_come_before_the_one_for_such_cases(outside: dict[str, Any]) -> None:
    kept: dict[str, Any] = {"privacy": {"model": "house"}}
    assert chosen(route("first", outside, call("house")), PRIVATE, **kept).index == 1
    assert chosen(route("first", outside), PRIVATE, **kept).index == 0


def test_a_house_that_allows_it_looks_for_nothing() -> None:
    choice = chosen(route("first", call("cheap"), call("house")), PRIVATE, privacy={"sensitive": "allow"})
    assert (choice.index, choice.decision.features["sensitive"]) == (0, {})
    only_mail: dict[str, Any] = {"privacy": {"kinds": ["email"]}}
    assert chosen(route("first", call("cheap"), call("house")), PRIVATE, **only_mail).index == 0


@pytest.mark.parametrize(
    ("branch", "fits"),
    [
        (call("small"), False),
        (call("small", prompt="Say hello."), True),
        ({"chain": [call("cheap"), call("small")]}, True),
        ({"chain": [call("cheap"), call("small", prompt="{{ previous }} {{ input }}")]}, False),
        ({"chain": [{"name": "one", **call("cheap")}, call("small", prompt="{{ steps.one }}")]}, True),
        ({"chain": [{"when": "input == 'x'", **call("cheap")}, call("small")]}, False),
        ({"cascade": {"tiers": [call("small"), call("cheap")]}}, True),
        ({"ensemble": {"members": [call("small"), call("small"), call("cheap")]}}, False),
        ({"ensemble": {"members": [call("small"), call("cheap"), call("cheap")]}}, True),
        ({"map": {"each": call("small", prompt="{{ item }}")}}, True),
        ({"map": {"each": call("small", prompt="{{ input }}")}}, False),
        (call("cheap", system="{{ input }}"), True),
        (call("small", prompt="Hello", system="{{ input }}"), False),
        (call("small", prompt="Hello", messages="input"), False),
    ],
)
def test_a_long_query_rules_out_calls_that_see_it_and_cannot_take_it(branch: dict[str, Any], fits: bool) -> None:
    choice = chosen(route("first", branch, call("cheap")), LONG)
    assert (choice.index == 0) == fits
    if not fits:
        assert choice.decision.features["ruled_out"]["to.0"][0].startswith("context: about 1")


def test_the_answer_must_fit_too() -> None:
    assert chosen(route("first", call("small"), call("cheap")), "word " * 60).index == 0
    assert chosen(route("first", call("small", max_tokens=190), call("cheap")), "word " * 60).index == 1


@pytest.mark.parametrize(
    ("branch", "files", "fits"),
    [
        (call("plain", files="input.files"), 0, True),
        (call("plain", files="input.files"), 1, False),
        (call("able", files="input.files"), 1, True),
        (call("cheap", files="input.files"), 1, True),
        (call("plain"), 1, True),
        (call("plain", tools=TOOLS), 0, False),
        (call("able", tools=TOOLS), 0, True),
    ],
)
def test_a_model_must_be_able_to_do_what_its_call_needs(branch: dict[str, Any], files: int, fits: bool) -> None:
    assert (chosen(route("first", branch, call("cheap")), "Look at this.", files=files).index == 0) == fits


def test_files_count_as_sensitive_where_the_house_says_so() -> None:
    node = route("first", call("cheap", files="input.files"), call("house"))
    assert chosen(node, "Look.", files=1).index == 0
    assert chosen(node, "Look.", files=1, privacy={"files": "local"}).index == 1
    assert chosen(node, "Look.", privacy={"files": "local"}).index == 0


@pytest.mark.parametrize(
    ("by", "branches", "index"),
    [
        ("complexity", [{"below": 0.3, **call("small")}, {"below": 0.7, **call("cheap")}, call("dear")], 1),
        ("complexity", [{"below": 0.3, **call("cheap")}, {"below": 0.7, **call("small")}, call("small")], 0),
        ("task", [{"task": "code", **call("small")}, call("cheap")], 1),
        ("task", [{"task": "code", **call("small")}, {"task": "math", **call("cheap")}, call("small")], 1),
        ("cheapest", [call("small"), call("dear"), call("cheap")], 2),
        ("fastest", [call("small"), call("cheap"), call("dear")], 2),
        ("privacy", [call("small"), {"private": True, **call("house")}], 1),
        ("semantic", [{"examples": ["word word"], **call("small")}, {"examples": ["x"], **call("cheap")}], 1),
    ],
)
def test_constraints_come_before_any_preference(by: str, branches: list[dict[str, Any]], index: int) -> None:
    choice = chosen(route(by, *branches), "def word() " * 1000)
    assert choice.index == index
    assert choice.decision.features["ruled_out"]
    assert "ruled out" in choice.decision.reason


def test_the_harder_branch_takes_what_the_easier_cannot() -> None:
    branches = [{"below": 0.3, **call("cheap")}, {"below": 0.7, **call("covered")}, call("house")]
    assert chosen(route("complexity", *branches), "Hello.").index == 0
    assert chosen(route("complexity", *branches), f"Hello, {CARD}.").index == 1


@pytest.mark.parametrize(
    ("branches", "index"),
    [
        ([call("dear"), call("cheap")], 1),
        ([{"ensemble": {"members": [call("cheap"), call("cheap")]}}, call("cheap")], 1),
        ([{"chain": [call("cheap"), call("cheap")]}, call("dear")], 0),
        ([{"cascade": {"tiers": [call("cheap"), call("dear")]}}, call("dear")], 0),
        ([call("cheap", max_tokens=10_000), call("dear", max_tokens=10)], 1),
        ([{"route": {"by": "first", "to": [call("dear"), call("cheap")]}}, call("dear")], 0),
        ([call("cheap"), call("house")], 1),
        ([{"map": {"each": call("cheap")}}, call("dear")], 0),
    ],
)
def test_the_cheapest_is_what_the_query_and_its_answer_may_cost(branches: list[dict[str, Any]], index: int) -> None:
    choice = chosen(route("cheapest", *branches), "What does it cost?")
    assert choice.index == index
    assert set(choice.decision.features["cost"]) == {"to.0", "to.1"}


def test_the_fastest_is_the_configured_or_the_measured_one() -> None:
    branches = [call("cheap"), call("dear"), call("a")]
    choice = chosen(route("fastest", *branches), "Quick!")
    assert (choice.index, choice.decision.confidence) == (1, 0.75)
    assert chosen(route("fastest", *branches), "Quick!", measured={"a": 0.2}).index == 2
    assert chosen(route("fastest", *branches), "Quick!", measured={"a": 9, "cheap": 0.1}).index == 1
    together = {"ensemble": {"members": [call("cheap"), call("dear")]}}
    assert chosen(route("fastest", together, {"chain": [call("dear")] * 4}), "Quick!").index == 0
    nobody_knows = chosen(route("fastest", call("a"), call("b")), "Quick!")
    assert (nobody_knows.index, nobody_knows.decision.confidence) == (0, 0.5)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("I would like a refund for my order", 0),
        ("REFUNDS for orders, please", 0),
        ("how can I reset the pasword", 1),
        ("Forgot password", 1),
        ("What is the capital of Peru?", 2),
        ("", 2),
    ],
)
def test_a_query_goes_where_its_nearest_example_is(text: str, index: int) -> None:
    returns = {"examples": ["Can I get a refund?", "My order is broken"], **call("cheap")}
    access = {"examples": ["I forgot my password", "How do I reset my password?"], **call("dear")}
    choice = chosen(route("semantic", returns, access, call("a"), at_least=0.16), text)
    assert choice.index == index
    assert set(choice.decision.features["similarity"]) == {"to.0", "to.1"}


@given(st.text(max_size=300))
def test_any_text_has_a_nearest_example(text: str) -> None:
    node = route("semantic", {"examples": ["one", "two"], **call("cheap")}, {"examples": ["three"], **call("dear")})
    similarity = chosen(node, text).decision.features["similarity"].values()
    assert all(0 <= value <= 1.0001 for value in similarity)


def test_a_private_branch_takes_what_is_sensitive_and_nothing_else() -> None:
    node = route("privacy", {"private": True, **call("house")}, call("cheap"))
    assert [chosen(node, text).index for text in (PRIVATE, "Hello.")] == [0, 1]
    only = route("privacy", {"private": True, **call("house")})
    assert chosen(only, "Hello.").decision.confidence == 0.5


def longest(node: Route, query: Query, candidates: list[Candidate]) -> Preference:
    """A router of somebody else's: the last candidate."""
    return Preference(candidates[-1].index, "it is the last", 0.9, {"seen": len(candidates)})


def nowhere(node: Route, query: Query, candidates: list[Candidate]) -> int:
    """One that names what is not there."""
    return 17


def test_a_router_of_ones_own_sees_only_what_can_answer() -> None:
    choice = chosen(route(f"{__name__}:longest", call("cheap"), call("dear"), call("small")), LONG)
    assert (choice.index, choice.decision.reason) == (1, "it is the last; ruled out: to.2 (context)")
    assert choice.decision.features["seen"] == 2
    with pytest.raises(PipelineError, match=r"one of the branches \[0\]"):
        chosen(route(f"{__name__}:nowhere", call("cheap")), "Hello.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "complexitty"}, "Did you mean 'complexity'"),
        ({"by": "no.such:thing"}, "cannot be imported"),
        ({"by": "json:__name__"}, "is no function"),
        ({"by": "semantic", "embeddings": "nope"}, "unknown embedding 'nope'"),
    ],
)
def test_a_router_that_is_not_there_is_told_before_a_job_finds_out(options: dict[str, Any], message: str) -> None:
    branch = {"examples": ["x"], **call("cheap")} if options["by"] == "semantic" else call("cheap")
    node = parse({"route": {**options, "to": [branch]}})
    assert isinstance(node, Route)
    with pytest.raises(PipelineError, match=message):
        check_route(node)
    with pytest.raises(PipelineError, match=message):
        check_pipeline("mine", node, config())


@pytest.mark.parametrize(
    ("by", "branches", "message"),
    [
        ("first", [{"below": 0.3, **call("a")}], "does not look at 'below'"),
        ("cheapest", [{"task": "code", **call("a")}], "does not look at 'task'"),
        ("complexity", [{"task": "code", **call("a")}, call("b")], "asks for 'below', not 'task'"),
        ("privacy", [call("a")], "needs a branch that is private"),
        ("semantic", [call("a"), {"examples": ["x"], **call("b")}], "only the last may be without"),
        ("semantic", [call("a")], "only the last may be without"),
        ("first", [{"private": False, **call("a")}], "private"),
    ],
)
def test_a_branch_says_what_its_route_looks_at(by: str, branches: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        route(by, *branches)


def test_what_a_route_does_not_say_is_not_written_down() -> None:
    node = route("complexity", {"below": 0.3, **call("a")}, call("b"))
    assert set(dump(node)) == {"kind", "by", "to"}
    assert [set(branch) for branch in dump(node)["to"]] == [{"below", "then"}, {"then"}]


def test_what_a_route_sees_of_an_input_with_files_is_its_text() -> None:
    query = as_query({"text": "Look", "files": [{"media_type": "image/png", "data": "AAAA"}]}, config())
    assert (query.text, query.files) == ("Look", 1)
    assert as_query({"a": 1}, config()).text == '{"a": 1}'
    assert Query("ab" * 10 + "日本", config()).tokens == 7


@pytest.mark.parametrize(
    ("model", "provider", "window"),
    [
        ({"name": "gpt-5.4-mini"}, {"api": "openai"}, 400_000),
        ({"name": "claude-haiku-4-5"}, {"api": "anthropic"}, 200_000),
        ({"name": "gpt-5.4-mini", "context_window": 9}, {"api": "openai"}, 9),
        ({"name": "nobody-knows-it"}, {"api": "openai"}, None),
        ({"callable": "json:loads"}, {"api": "python"}, None),
    ],
)
def test_a_context_window_is_given_or_looked_up(
    model: dict[str, Any], provider: dict[str, Any], window: int | None
) -> None:
    built = Model.model_validate({"provider": "p", **model})
    assert context_window(built, Provider.model_validate(provider)) == window


def test_the_model_for_such_cases_must_be_in_the_house() -> None:
    for model, message in (("cheap", "'cheap' is external"), ("hous", "Did you mean 'house'")):
        with pytest.raises(ValueError, match=message):
            config(privacy={"model": model})


def test_an_explanation_follows_the_chosen_branch_only() -> None:
    inner = {"route": {"by": "first", "to": [call("dear")]}}
    spec = parse({"chain": [{"route": {"by": "first", "to": [inner, {"chain": [inner]}]}}, inner]})
    explained = explain_routes(spec, Query("Hello.", config()))
    assert [(entry["path"], entry["choice"]) for entry in explained] == [("0", "to.0"), ("0.to.0", "to.0"), ("1", None)]
    assert explained[0]["then"] == "route by first(call dear)"
    assert "when step '0' has answered" in explained[2]["reason"]


def test_an_explanation_tells_which_calls_move() -> None:
    spec = parse({"chain": [call("covered"), call("cheap", prompt="{{ input }}"), call("dear"), call("house")]})
    explained = explain_calls(spec, Query(PRIVATE, config()))
    assert [(entry["path"], entry["in_house"]) for entry in explained] == [("0", "house"), ("1", None)]
    assert "it would fail" in explained[1]["reason"]
    assert explain_calls(spec, Query("Hello.", config())) == []


@given(pipelines(), st.sampled_from(["Hello.", PRIVATE, LONG]))
def test_every_route_of_any_pipeline_takes_a_branch_that_can_answer_or_says_why_none_can(spec: Any, text: str) -> None:
    for entry in explain_routes(spec, Query(text, config())):
        if entry["choice"] is not None:
            place = find(spec, entry["path"])
            assert entry["choice"] not in entry["features"]["ruled_out"]
            assert isinstance(place.node, Route)
        assert entry["reason"]
