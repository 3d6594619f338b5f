"""Cascades as data: gates and thresholds as people write them, and where samples and judges stand."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mirepoix import Accept, Call, Cascade, Chain
from mirepoix.errors import NotFound
from mirepoix.paths import find, judge_of, location, root, samples_of, walk
from mirepoix.spec import dump, parse

TWO = [{"call": {"model": "a"}}, {"call": {"model": "b"}}]


def cascade(accept: dict[str, Any], tiers: list[dict[str, Any]] | None = None) -> Cascade:
    """A cascade as YAML has it."""
    built = parse({"cascade": {"tiers": tiers or TWO, "accept": accept}})
    assert isinstance(built, Cascade)
    return built


def test_what_is_not_said_is_not_dumped_so_that_versions_stay() -> None:
    plain = Cascade(tiers=(Call(model="a"),))
    assert dump(plain)["accept"] == {}


def test_a_bare_number_is_a_weight_and_nothing_means_the_usual() -> None:
    gates = cascade({"gates": {"hedging": 2, "refusal": None, "schema": {"must": True, "of": {}}}}).accept.gates
    assert gates is not None
    assert {name: (gate.weight, gate.must) for name, gate in gates.listed.items()} == {
        "refusal": (1, False),
        "hedging": (2, False),
        "schema": (1, True),
    }


def test_a_threshold_may_stand_on_its_tier() -> None:
    tiers: list[dict[str, Any]] = [{"call": {"model": model}} for model in "abc"]
    tiers[0]["at_least"] = 0.9
    built = cascade({"at_least": 0.6}, tiers)
    assert built.accept.at_least == (0.9, 0.6, 0.6)
    assert built == cascade({"at_least": [0.9, 0.6, 0.6]}, [{"call": {"model": model}} for model in "abc"])
    assert parse(dump(built)) == built


def test_the_last_threshold_holds_for_the_tiers_after_it() -> None:
    accept = Accept(at_least=(0.9, 0.5))
    assert [accept.threshold(tier) for tier in range(4)] == [0.9, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("accept", "says"),
    [
        ({"gates": {"hedgin": 1}}, "Did you mean 'hedging'?"),
        ({"gates": {}}, "gates needs at least one"),
        ({"gates": {"length": 1}}, "min_words"),
        ({"gates": {"length": {"min_words": 3, "max_words": 2}}}, "more than max_words"),
        ({"gates": {"judge": 1}}, "Field required"),
        ({"gates": {"consistency": {"samples": 1}}}, "greater than or equal to 2"),
        ({"gates": {"function": {"callable": "nowhere"}}}, "pattern"),
        ({"gates": {"hedging": {"must": 2}}}, "must"),
        ({"at_least": [0.1, 0.2, 0.3]}, "3 numbers for 2 tiers"),
        ({"at_least": []}, "0 numbers for 2 tiers"),
        ({"at_least": 1.1}, "less than or equal to 1"),
        ({"agreement": 1}, "greater than or equal to 2"),
        ({"otherwise": "first"}, "otherwise"),
    ],
)
def test_mistakes_are_named(accept: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        cascade(accept)
    assert says in str(caught.value)


def test_a_threshold_stands_in_one_place_only() -> None:
    with pytest.raises(ValidationError, match="not in both"):
        cascade({"at_least": [0.5]}, [{"at_least": 0.9, "call": {"model": "a"}}])


NEST = Chain(
    steps=(
        Call(name="first", model="a"),
        cascade(
            {"gates": {"consistency": {"samples": 4, "temperature": 0.7}, "judge": {"model": "strong"}}},
            [{"call": {"model": "a"}}, {"chain": [{"call": {"model": "b"}}]}],
        ),
    )
)


@pytest.mark.parametrize(
    ("path", "model", "temperature"),
    [
        ("1.tiers.0", "a", None),
        ("1.samples.0.1", "a", 0.7),
        ("1.samples.0.3", "a", 0.7),
        ("1.samples.1.2.0", "b", None),
        ("1.judges.1", "strong", None),
    ],
)
def test_samples_and_judges_are_steps_beside_the_tiers(path: str, model: str, temperature: float | None) -> None:
    place = find(NEST, path)
    assert isinstance(place.node, Call)
    assert (place.path, place.node.model, place.node.temperature) == (path, model, temperature)


@pytest.mark.parametrize(
    "path", ["1.samples.0.0", "1.samples.0.4", "1.samples.2.1", "1.samples.0", "1.judges.2", "1.judges.x", "1.judges"]
)
def test_there_are_no_others(path: str) -> None:
    with pytest.raises(NotFound):
        find(NEST, path)


def test_a_cascade_without_such_gates_has_neither() -> None:
    plain = root(Cascade(tiers=(Call(model="a"),)))
    with pytest.raises(NotFound):
        judge_of(plain, 0)
    with pytest.raises(NotFound):
        samples_of(plain, 0)


def test_a_judge_is_found_by_who_walks_the_pipeline_and_has_its_place_in_the_file() -> None:
    judges = [place for place in walk(NEST) if place.path.endswith("judges.0")]
    assert [location(judge)[-4:] for judge in judges] == [("cascade", "accept", "gates", "judge")]
