"""What a cascade does next: how gates are weighed, when models are asked, what stands in the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirepoix import Accept, Gates
from mirepoix.spec.gates import Gate
from pipelines.gates import Ask, Heard, Tier, next_move
from pipelines.gates.agreement import read_sameness
from pipelines.gates.seen import Score
from pipelines.gates.weigh import Said, still_open, weigh

GOOD, HEDGED = Tier("Paris."), Tier("I think Paris.")
JUDGED = {"judge": {"model": "strong"}}


def accept(gates: dict[str, Any] | None = None, **more: Any) -> Accept:
    """As YAML has it."""
    return Accept.model_validate({"gates": gates, **more})


def judged(score: float, text: str = "Paris.") -> Tier:
    """A tier with what its judge said."""
    return Tier(text, judge=Heard({"score": score, "reason": "so"}))


def sampled(*said: str) -> Tier:
    """A tier with its further samples."""
    return Tier("Paris.", samples=tuple(Heard(one) for one in said))


@pytest.mark.parametrize(
    ("gates", "tier", "score", "choice"),
    [
        ({"hedging": 1}, HEDGED, 0.85, "accept"),
        ({"hedging": 1, "length": {"weight": 1, "min_words": 9}}, HEDGED, 0.425, "escalate"),
        ({"hedging": 3, "length": {"weight": 1, "min_words": 9}}, HEDGED, 0.6375, "escalate"),
        ({"hedging": 1, "confidence": 5}, HEDGED, 0.85, "accept"),  # nothing stated: does not count
        ({"hedging": 0, "length": {"max_words": 9}}, HEDGED, 1.0, "accept"),
        ({"confidence": 1}, GOOD, 0.0, "escalate"),  # no gate could say anything
        ({"hedging": 1, "judge": {"model": "s", "weight": 3}}, judged(0.8), 0.85, "accept"),
        ({"hedging": 1, "judge": {"model": "s", "weight": 3}}, judged(0.7), 0.775, "escalate"),
        ({"consistency": {}}, sampled("paris", "Paris"), 1.0, "accept"),
        ({"consistency": {}}, sampled("Lyon", "Paris"), 0.6667, "escalate"),
    ],
)
def test_the_score_is_the_mean_of_what_the_gates_say_by_their_weights(
    gates: dict[str, Any], tier: Tier, score: float, choice: str
) -> None:
    move = next_move(accept(gates), [tier], more=True)
    assert (move.decision.features["score"], move.decision.choice) == (score, choice)


@pytest.mark.parametrize(
    ("gates", "tier", "vetoed"),
    [
        ({"hedging": 9, "length": {"must": True, "weight": 0, "min_words": 5}}, GOOD, ["length"]),
        (
            {"hedging": {"must": True}, "length": {"weight": 9, "min_words": 1}},
            Tier("I think, perhaps, possibly"),
            ["hedging"],
        ),
        ({"hedging": {"must": 0.5, "weight": 0}, "refusal": 1}, Tier("perhaps, possibly"), []),
        ({"hedging": 1, "confidence": {"must": 0.9}}, Tier("Paris\nConfidence: 0.85"), ["confidence"]),
        ({"hedging": 1, "confidence": {"must": True}}, GOOD, ["confidence"]),  # must, and says nothing
        ({"hedging": 1, "judge": {"model": "s", "on_error": "ignore", "must": True}}, Tier("P", judge=Heard("?")), []),
        ({"hedging": 1}, Tier("  "), ["empty"]),
        ({"schema": {"of": {}}}, Tier(None), ["empty"]),
    ],
)
def test_a_veto_holds_whatever_the_others_say(gates: dict[str, Any], tier: Tier, vetoed: list[str]) -> None:
    move = next_move(accept(gates, at_least=0.6), [tier], more=True)
    assert [gate["gate"] for gate in move.decision.features["gates"] if gate.get("veto")] == vetoed
    assert move.decision.choice == ("escalate" if vetoed else "accept")


@pytest.mark.parametrize(
    ("gates", "tier", "ask"),
    [
        (JUDGED, GOOD, Ask.JUDGE),
        ({"refusal": {"must": True}, **JUDGED}, Tier("I cannot help with that"), Ask.NEXT_TIER),
        ({"hedging": 9, **JUDGED}, GOOD, None),  # accepted even if the judge said 0
        ({"length": {"min_words": 9, "weight": 9}, **JUDGED}, GOOD, Ask.NEXT_TIER),  # hopeless even if it said 1
        ({"hedging": 9, "judge": {"model": "s", "must": True}}, GOOD, Ask.JUDGE),  # it has a veto
        ({"consistency": {}, **JUDGED}, GOOD, Ask.SAMPLES),  # the cheaper one first
        ({"consistency": {}, **JUDGED}, sampled("Paris", "Paris"), Ask.JUDGE),
        ({"consistency": 9, **JUDGED}, sampled("Lyon", "Nice"), Ask.NEXT_TIER),
        (JUDGED, Tier("  "), Ask.NEXT_TIER),
    ],
)
def test_models_are_asked_only_where_they_can_change_something(
    gates: dict[str, Any], tier: Tier, ask: Ask | None
) -> None:
    move = next_move(accept(gates), [tier], more=True)
    assert move.ask is ask
    assert move.stands == (0 if ask is None else None)


def test_the_last_tier_is_not_judged_unless_something_hangs_on_it() -> None:
    assert next_move(accept(JUDGED), [GOOD], more=False).stands == 0
    for otherwise in ("best", "fail"):
        assert next_move(accept(JUDGED, otherwise=otherwise), [GOOD], more=False).ask is Ask.JUDGE
    assert next_move(accept(JUDGED, ask_all=True), [GOOD], more=False).ask is Ask.JUDGE


@pytest.mark.parametrize(
    ("otherwise", "scores", "stands"),
    [("last", [0.6, 0.2], 1), ("best", [0.6, 0.2], 0), ("best", [0.1, 0.2], 1), ("fail", [0.6, 0.2], None)],
)
def test_what_stands_when_nothing_is_good_enough(otherwise: str, scores: list[float], stands: int | None) -> None:
    tiers = [judged(score) for score in scores]
    move = next_move(accept(JUDGED, otherwise=otherwise), tiers, more=False)
    assert (move.stands, move.ask) == (stands, None)
    assert move.decision.choice == ("fail" if stands is None else "accept")


def test_one_that_is_vetoed_is_never_the_best_while_another_is_not() -> None:
    gates = {"hedging": 1, "length": {"must": True, "weight": 0, "max_words": 1}}
    tiers = [Tier("I think, perhaps, Paris"), Tier("perhaps"), Tier("quite sure")]
    assert next_move(accept(gates, at_least=1, otherwise="best"), tiers, more=False).stands == 1


@pytest.mark.parametrize("otherwise", ["last", "best"])
def test_when_the_last_tier_breaks_the_best_before_it_stands(otherwise: str) -> None:
    tiers = [judged(0.3), judged(0.7), Tier(error="down")]
    assert next_move(accept(JUDGED, otherwise=otherwise), tiers, more=False).stands == 1
    failing = next_move(accept(JUDGED, otherwise="fail"), tiers, more=False)
    assert (failing.stands, failing.ask, failing.decision.choice) == (None, None, "fail")


@pytest.mark.parametrize(
    ("texts", "stands"),
    [
        (["Paris", "Lyon"], None),
        (["Paris", "paris."], 1),
        (["Paris", "Lyon", "PARIS"], 2),
        (["Paris", None, "Paris"], 2),
        (["", ""], None),
    ],
)
def test_agreement_accepts_whatever_the_score(texts: list[str | None], stands: int | None) -> None:
    tiers = [Tier(error="down") if text is None else Tier(text) for text in texts]
    move = next_move(accept({"length": {"min_words": 9}}, agreement=2), tiers, more=True)
    assert (move.stands, move.ask) == (stands, None if stands is not None else Ask.NEXT_TIER)


def test_agreement_breaks_no_veto_and_spares_the_judge() -> None:
    must = {"length": {"must": True, "min_words": 9}}
    assert next_move(accept(must, agreement=2), [GOOD, GOOD], more=True).ask is Ask.NEXT_TIER
    assert next_move(accept(JUDGED, agreement=2), [judged(0.1), GOOD], more=True).stands == 1


def test_to_learn_all_tiers_and_all_gates_are_asked() -> None:
    learning = accept({"hedging": 9, **JUDGED}, ask_all=True)
    assert next_move(learning, [GOOD], more=True).ask is Ask.JUDGE
    move = next_move(learning, [judged(1.0)], more=True)
    assert (move.ask, move.decision.features["score"]) == (Ask.NEXT_TIER, 1.0)
    assert "all tiers are asked" in move.decision.reason
    assert next_move(learning, [judged(1.0), judged(0.0)], more=False).stands == 1


def test_each_tier_meets_its_own_threshold() -> None:
    own = accept({"hedging": 1}, at_least=(0.9, 0.8))
    assert next_move(own, [HEDGED], more=True).ask is Ask.NEXT_TIER
    assert next_move(own, [HEDGED, HEDGED], more=True).stands == 1


SCORES = st.one_of(st.none(), st.floats(0, 1))
WEIGHTS = st.floats(0, 5)


@given(st.lists(st.tuples(SCORES, WEIGHTS), max_size=6))
@example([(0.5, 5e-324)])
def test_the_mean_lies_between_the_scores(said: list[tuple[float | None, float]]) -> None:
    verdict = weigh([Said("x", Score(score, ""), weight) for score, weight in said])
    counted = [score for score, weight in said if score is not None and weight > 0]
    if counted:
        assert min(counted) - 1e-4 <= verdict.score <= max(counted) + 1e-4
    assert 0 <= verdict.score <= 1


@given(
    st.lists(st.tuples(SCORES, WEIGHTS), max_size=4),
    st.lists(st.tuples(SCORES, WEIGHTS), min_size=1, max_size=3),
    st.floats(0, 1),
)
def test_what_is_not_open_any_more_no_later_gate_changes(
    said: list[tuple[float | None, float]], later: list[tuple[float | None, float]], threshold: float
) -> None:
    spoken = [Said("x", Score(score, ""), weight) for score, weight in said]
    if still_open(spoken, [Gate(weight=weight) for _, weight in later], threshold):
        return
    whole = [*spoken, *(Said("y", Score(score, ""), weight) for score, weight in later)]
    counts = any(one.score.value is not None for one in spoken)
    if counts and sum(one.weight for one in spoken if one.score.value is not None) > 0:
        assert weigh(whole).accepts(threshold) == weigh(spoken).accepts(threshold)


def test_gates_may_be_built_in_python() -> None:
    assert Gates.model_validate({"hedging": Gate(weight=2)}).listed["hedging"].weight == 2


def by_judge(of: int = 2, **more: Any) -> Accept:
    """Agreement as a judge says."""
    return accept(agreement={"of": of, "by": {"judge": {"model": "j"}}}, **more)


def like(text: str, **same: bool) -> Tier:
    """A tier that a judge compared with others, as in `t0=True`."""
    return Tier(text, compared={int(name[1:]): Heard({"same": value}) for name, value in same.items()})


def test_a_judge_is_asked_about_one_answer_of_each_group_before() -> None:
    tiers = [Tier("a"), like("b", t0=False), Tier("A."), Tier("c")]
    move = next_move(by_judge(3), tiers, more=True)
    assert (move.ask, move.tier, move.others) == (Ask.COMPARISONS, 3, (0, 1))
    tiers[3] = like("c", t0=True, t1=False)
    assert next_move(by_judge(3), tiers, more=True).stands == 3


def test_a_judge_is_not_asked_where_nothing_can_follow_from_it() -> None:
    apart = [Tier("a"), Tier("b")]
    assert next_move(by_judge(3), apart, more=True).ask is Ask.NEXT_TIER, "two are not three"
    assert next_move(by_judge(), apart, more=False).stands == 1, "the last one stands anyhow"
    assert next_move(by_judge(otherwise="fail"), apart, more=False).ask is Ask.COMPARISONS
    assert next_move(by_judge(), [Tier("a"), Tier(error="down")], more=True).ask is Ask.NEXT_TIER
    assert next_move(by_judge(), [Tier("a"), Tier(" ")], more=True).ask is Ask.NEXT_TIER


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ({"same": True}, True),
        ({"same": "no"}, False),
        ('Well. {"same": false, "reason": "so {they} are"}', False),
        ("Yes.", True),
        ("Different", False),
        ("They are the same, and yes, different", None),
        ('{"same": true} {"same": false}', None),
        ('{"score": 1}', None),
        ([True], None),
        ("{" * 30_000, None),
        (None, None),
    ],
)
def test_what_is_not_clearly_said_to_be_the_same_is_not(said: Any, same: bool | None) -> None:
    assert read_sameness(Heard(said)) is same
    assert read_sameness(Heard(said, error="late")) is None
