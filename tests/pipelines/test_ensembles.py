"""What an ensemble does next: when it waits and for how many, whom it asks, and what its answer is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirepoix import Call, Ensemble
from mirepoix.paths import ROOT, find
from mirepoix.spec import Hedge, parse
from pipelines.ensembles import Answer, Ballot, Consult, End, Fail, Move, Standing, Wait, candidates, next_move
from pipelines.outline import outline

ASKED = {".": End.OPEN, "x": End.FAILED}


def standing(members: str, adviser: Ballot | None = None) -> Standing:
    """One letter for each member that was asked: `.` is open, `x` has failed, any other is its answer."""
    ballots = [
        Ballot(f"members.{index}", ASKED.get(letter, End.ANSWERED), letter, "no luck")
        for index, letter in enumerate(members)
    ]
    return Standing(tuple(ballots), adviser, "job/$")


def ensemble(number: int, **options: Any) -> Ensemble:
    """Of so many calls."""
    spec = parse({"ensemble": {"members": [{"call": {"model": "a"}}] * number, **options}})
    assert isinstance(spec, Ensemble)
    return spec


def said(answer: str, end: End = End.ANSWERED) -> Ballot:
    """What an adviser said."""
    return Ballot("judge.0", end, answer, "out of order")


def output(move: Move) -> tuple[Any, str]:
    """What was answered, and why."""
    assert isinstance(move, Answer), move
    return move.reduced.output, move.reduced.decision.reason


@pytest.mark.parametrize(
    ("number", "quorum", "members", "waits"),
    [
        *[(3, 2, "", 2), (5, 3, "", 3), (3, 2, "ab.", 1), (3, 2, "x..", 2), (3, 2, "xa.", 1), (3, 3, "ab.", 1)],
        *[(5, 3, "ab...", 2), (5, 3, "aab..", 1), (5, 3, "abxx.", 1), (5, 4, "abc..", 2), (4, 2, "xx..", 2)],
    ],
)
def test_a_quorum_looks_again_when_enough_may_agree_or_all_have_ended(
    number: int, quorum: int, members: str, waits: int
) -> None:
    move = next_move(ensemble(number, quorum=quorum), standing(members))
    assert isinstance(move, Wait)
    assert (move.ends, len(move.ask)) == (waits, 0 if members else number)


@pytest.mark.parametrize(
    ("members", "answer", "agreement"),
    [("aa.", "a", 1.0), ("ba.a", "a", 0.6667), ("xa.a", "a", 1.0), ("baba", "b", 0.5), ("abxx", None, None)],
)
def test_a_quorum_answers_as_soon_as_so_many_agree(members: str, answer: str | None, agreement: float | None) -> None:
    move = next_move(ensemble(len(members), quorum=2), standing(members))
    if answer is None:
        assert isinstance(move, Fail)
        return
    assert output(move)[0] == answer
    assert isinstance(move, Answer)
    assert move.reduced.decision.confidence == agreement
    given_up = [f"members.{index}" for index, letter in enumerate(members) if letter == "."]
    assert move.reduced.decision.features["given_up"] == given_up


def test_without_a_quorum_the_members_are_reduced_once_all_have_ended() -> None:
    assert output(next_move(ensemble(4, quorum=3), standing("abax")))[0] == "a"
    judged = ensemble(3, quorum=3, reduce={"judge": {"model": "j"}})
    assert isinstance(next_move(judged, standing("aba")), Consult)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_quorum_never_waits_in_vain_and_never_longer_than_it_must(
    number: int, quorum: int, seed: int, fails: float
) -> None:
    """Let the members end in any order; whenever it is woken, so many more ends really come."""
    quorum, draws = min(quorum, number), random.Random(seed)
    node, members = ensemble(number, quorum=quorum), ["."] * number
    assert isinstance(next_move(node, standing("")), Wait)
    order = draws.sample(range(number), number)
    ended, awake_at = 0, quorum
    while True:
        while ended < awake_at:
            members[order[ended]] = "x" if draws.random() < fails else draws.choice("ab")
            ended += 1
        move = next_move(node, standing("".join(members)))
        agree = max(members.count("a"), members.count("b"))
        if not isinstance(move, Wait):
            assert agree >= quorum or ended == number
            return
        assert agree < quorum
        assert 1 <= move.ends <= number - ended
        awake_at = ended + move.ends


@pytest.mark.parametrize(
    ("members", "asks", "after"),
    [("", (0,), 2.0), (".", (1,), 2.0), ("x", (1,), 2.0), ("x.", (2,), None), ("..", (2,), None), ("..x", (), None)],
)
def test_a_hedge_asks_one_after_the_other(members: str, asks: tuple[int, ...], after: float | None) -> None:
    move = next_move(ensemble(3, hedge={"after": 2}), standing(members))
    assert isinstance(move, Wait)
    assert (move.ends, move.ask, move.after) == (1, asks, after)


@pytest.mark.parametrize(("members", "answer"), [("a", "a"), (".b", "b"), ("xb.", "b"), ("abx", "a")])
def test_a_hedge_stands_by_its_first_answer(members: str, answer: str) -> None:
    assert output(next_move(ensemble(3, hedge={"after": 2}), standing(members)))[0] == answer


def test_a_hedge_fails_when_all_have() -> None:
    move = next_move(ensemble(2, hedge={"after": 2}), standing("xx"))
    assert isinstance(move, Fail)
    assert "0 of 2 members answered, 1 are needed; the first failure: no luck" in move.reason


@pytest.mark.parametrize("way", ["judge", "fuse"])
def test_nobody_is_asked_where_all_agree(way: str) -> None:
    node = ensemble(3, reduce={way: {"model": "j"}})
    assert output(next_move(node, standing("aax"))) == ("a", "2 of 2 answers agree; nobody needs to be asked")
    move = next_move(node, standing("aab"))
    assert isinstance(move, Consult)
    assert move.decision.choice == f"{way}.0"


def test_the_judges_number_is_that_of_the_order_in_which_it_saw_the_answers() -> None:
    node = ensemble(4, reduce={"judge": {"model": "j"}})
    seen = [group.members[0].answer for group in candidates(node, standing("abca"))]
    assert sorted(map(str, seen)) == ["a", "b", "c"]
    for number, answer in enumerate(seen, 1):
        move = next_move(node, standing("abca", said(str(number))))
        assert output(move)[0] == answer
        assert isinstance(move, Answer)
        assert move.reduced.decision.confidence == (0.5 if answer == "a" else 0.25)


@pytest.mark.parametrize(
    ("otherwise", "ballot", "answer", "why"),
    [
        ("vote", said("none of them"), "b", "named none of the answers; instead, vote: 2 of 3"),
        ("first", said("17"), "a", "named none of the answers; instead, first"),
        ("vote", said("", End.FAILED), "b", "failed: out of order; instead, vote"),
        ("fail", said(""), None, "named none of the answers."),
    ],
)
def test_without_a_verdict_there_is_another_way(otherwise: str, ballot: Ballot, answer: str | None, why: str) -> None:
    move = next_move(ensemble(3, reduce={"judge": {"model": "j", "else": otherwise}}), standing("abb", ballot))
    if isinstance(move, Fail):
        assert answer is None
        assert why in move.reason
    else:
        assert output(move)[0] == answer
        assert why in output(move)[1]


def test_what_the_aggregator_writes_is_the_answer() -> None:
    node = ensemble(3, reduce={"fuse": {"model": "j"}})
    text, reason = output(next_move(node, standing("abb", Ballot("fuse.0", End.ANSWERED, "both"))))
    assert (text, reason) == ("both", "j wrote it from 2 different answers; 2 of 3 members agree")
    assert output(next_move(node, standing("abb", said("", End.FAILED))))[0] == "b"


def test_a_tie_stands_fails_or_is_judged_among_the_tied() -> None:
    tied = standing("aabbc")
    assert output(next_move(ensemble(5), tied))[0] == "a"
    assert output(next_move(ensemble(5, tie="first"), tied))[0] == "a"
    failed = next_move(ensemble(5, tie="fail"), tied)
    assert isinstance(failed, Fail)
    assert "tied (members.0, members.2)" in failed.reason
    judged = ensemble(5, tie={"judge": {"model": "j"}})
    assert isinstance(next_move(judged, tied), Consult)
    seen = [group.members[0].answer for group in candidates(judged, tied)]
    assert sorted(map(str, seen)) == ["a", "b"]
    assert output(next_move(judged, standing("aabbc", said("2"))))[0] == seen[1]
    assert output(next_move(judged, standing("aaabb")))[0] == "a"


@pytest.mark.parametrize(
    ("options", "members", "fails"),
    [
        ({}, "axx", True),
        ({}, "aax", False),
        ({"min_success": 1}, "axx", False),
        ({"min_success": 3}, "aax", True),
        ({"reduce": {"first": {}}}, "xxa", False),
        ({"reduce": {"numbers": {}}}, "aaa", True),
    ],
)
def test_enough_must_answer(options: dict[str, Any], members: str, fails: bool) -> None:
    assert isinstance(next_move(ensemble(3, **options), standing(members)), Fail) == fails


def test_advisers_are_found_by_their_paths() -> None:
    node = ensemble(2, reduce={"judge": {"model": "j", "criteria": "Be brief."}})
    place = find(node, "judge.0")
    assert isinstance(place.node, Call)
    assert (place.node.model, place.index, place.parent and place.parent.path) == ("j", 2, ROOT)
    assert "Be brief." in place.node.prompt


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "chord([call a, call a], reduce)"),
        ({"reduce": {"judge": {"model": "j"}}}, "chord([call a, call a], reduce -> call j, reduce)"),
        ({"quorum": 2}, "reduce -> [call a, call a], reduce when 2 agree"),
        ({"hedge": Hedge(after=2)}, "reduce -> call a | after 2 s call a, reduce"),
    ],
)
def test_the_outline_says_when_who_is_asked(options: dict[str, Any], line: str) -> None:
    assert outline(ensemble(2, **options)) == line
