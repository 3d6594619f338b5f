"""Which of a job's calls one model alone would have had to answer too."""

from __future__ import annotations

from decimal import Decimal

from mirepoix.answered import AnsweredStep
from pipelines.baseline import asked_once


def step(path: str, parent: str | None, kind: str = "call", position: int = 0, answer: str = "other") -> AnsweredStep:
    """A step that ended with `answer`."""
    return AnsweredStep(path, parent, kind, position, answer)


def usd(**costs: int) -> dict[str, Decimal]:
    """Costs by path, `_` for `.`."""
    return {path.replace("_", "."): Decimal(cost) for path, cost in costs.items()}


def test_one_call_is_one_question() -> None:
    assert asked_once([step("$", None)], {"$": Decimal(7)}) == 7


def test_each_link_of_a_chain_and_each_item_of_a_map_counts() -> None:
    chain = [step("$", None, "chain"), step("text", "$"), step("parts", "$", "map")]
    items = [step("parts.items.0", "parts"), step("parts.items.1", "parts")]
    assert asked_once(chain + items, usd(text=1, parts_items_0=10, parts_items_1=100)) == 111


def test_of_a_cascade_the_tier_counts_whose_answer_stood_and_no_judge() -> None:
    costs = usd(tiers_0=1, tiers_1=10, judges_0=100, samples_0_1=1000)
    tiers = [step("tiers.0", "$", answer="a"), step("tiers.1", "$", position=1, answer="b")]
    beside = [step("judges.0", "$", answer="j"), step("samples.0.1", "$", answer="a")]
    assert asked_once([step("$", None, "cascade", answer="b"), *tiers, *beside], costs) == 10
    assert asked_once([step("$", None, "cascade", answer="a"), *tiers, *beside], costs) == 1


def test_of_an_ensemble_the_cheapest_member_counts_whose_answer_it_gave() -> None:
    members = [step(f"vote.members.{n}", "vote", position=n, answer=answer) for n, answer in enumerate("abba")]
    fuse = step("vote.fuse.0", "vote", answer="fused")
    costs = usd(vote_members_0=1, vote_members_1=30, vote_members_2=20, vote_members_3=4, vote_fuse_0=1000)
    chain = step("$", None, "chain")
    assert asked_once([chain, step("vote", "$", "ensemble", answer="b"), *members], costs) == 20
    assert asked_once([chain, step("vote", "$", "ensemble", answer="fused"), *members, fuse], costs) == 1


def test_a_cascade_within_an_ensemble_counts_by_its_own_answer() -> None:
    steps = [step("$", None, "ensemble", answer="x"), step("members.0", "$", "cascade", answer="x")]
    steps += [step("members.0.tiers.0", "members.0", answer="y"), step("members.0.tiers.1", "members.0", answer="x")]
    steps += [step("members.1", "$", "route", answer="x"), step("members.1.to.2", "members.1", answer="x")]
    assert asked_once(steps, usd(members_0_tiers_0=1, members_0_tiers_1=10, members_1_to_2=50)) == 10
