"""Another model's part in an ensemble: a judge that chooses among the answers, an aggregator that writes one."""

from __future__ import annotations

from pydantic import JsonValue

from mirepoix.spec import Ensemble, Fuse, Judge
from mirepoix.views import Decision
from pipelines.ensembles.standing import Answer, Ballot, Consult, End, Fail, Move, Standing, amended
from pipelines.reducers import Group, Reduced, count, first_answer, groups_of, reduce_answers
from pipelines.reducers.verdict import read_verdict, shuffled


def candidates(node: Ensemble, standing: Standing) -> list[Group]:
    """What an adviser is shown: of members that agree one answer.

    A judge sees them in an order left to chance; where it is asked because of a tie, only those that are tied.
    """
    groups = groups_of(node.reduce, standing.answers)
    if node.reduce.fuse is not None:
        return groups
    if node.reduce.judge is None:
        tied = reduce_answers(node.reduce, standing.answers).tied
        groups = [group for group in groups if group.members[0].path in tied]
    return shuffled(groups, standing.seed)


def consult(node: Ensemble, standing: Standing) -> Consult:
    """Ask the adviser, and write down what it is shown."""
    name, adviser = node.advisers[0]
    shown = candidates(node, standing)
    task = "choose one" if isinstance(adviser, Judge) else "write one"
    counted = count(groups_of(node.reduce, standing.answers))
    decision = Decision(
        choice=f"{name}.0",
        reason=f"{adviser.model} is asked to {task} of {len(shown)} different answers",
        confidence=round(counted.agreement, 4),
        features=counted.features() | {"shown": _paths(shown)},
    )
    return Consult(decision)


def advised(node: Ensemble, standing: Standing, said: Ballot) -> Move:
    """What follows from what the adviser said, or from that it failed."""
    _, adviser = node.advisers[0]
    if said.end is not End.ANSWERED:
        return _otherwise(node, adviser, standing, f"{adviser.model}, which was to be asked, failed: {said.error}")
    shown = candidates(node, standing)
    if isinstance(adviser, Fuse):
        reason = f"{adviser.model} wrote it from {len(shown)} different answers"
        counted = count(groups_of(node.reduce, standing.answers))
        return _answer(standing, counted.winner, said.path, said.answer, reason, {"shown": _paths(shown)})
    best = read_verdict(said.answer, len(shown))
    if best is None:
        return _otherwise(node, adviser, standing, f"{adviser.model}, the judge, named none of the answers")
    reason = f"{adviser.model}, the judge, chose number {best} of {len(shown)}"
    chosen = shown[best - 1]
    features: dict[str, JsonValue] = {"shown": _paths(shown), "verdict": best}
    return _answer(standing, chosen, chosen.members[0].path, chosen.members[0].answer, reason, features)


def _answer(
    standing: Standing, group: Group, choice: str, output: JsonValue, reason: str, features: dict[str, JsonValue]
) -> Answer:
    """An adviser's answer; its confidence is the share of the members that agree with `group`."""
    share = round(len(group.members) / len(standing.answers), 4)
    agree = f"; {len(group.members)} of {len(standing.answers)} members agree"
    decision = Decision(
        choice=choice, reason=reason + agree, confidence=share, features={**features, "agreement": share}
    )
    return Answer(Reduced(output, decision))


def _otherwise(node: Ensemble, adviser: Judge | Fuse, standing: Standing, trouble: str) -> Move:
    """What was said to be done instead, and that it was."""
    if adviser.otherwise == "fail":
        return Fail(f"{trouble}.")
    first = adviser.otherwise == "first"
    reduced = first_answer(standing.answers) if first else reduce_answers(node.reduce, standing.answers)
    reason = f"{trouble}; instead, {adviser.otherwise}: {reduced.decision.reason}"
    return Answer(amended(reduced, reason=reason, otherwise=adviser.otherwise))


def _paths(groups: list[Group]) -> list[JsonValue]:
    return [group.members[0].path for group in groups]
