"""What an ensemble does next, from how its members stand.

all at once          wait for all members, then reduce
quorum               ask all; look after as many as might agree, then after each one more, until so many do
hedge                ask the first; ask the next one when time is up or one has failed; the first answer stands
judge, fuse, tie     once the members have ended, ask an adviser, and wait for it alone
"""

from __future__ import annotations

from mirepoix.spec import Ensemble
from mirepoix.views import Decision
from pipelines.ensembles.advice import advised, consult
from pipelines.ensembles.standing import Answer, End, Fail, Move, Standing, Wait, amended
from pipelines.reducers import (
    Group,
    Irreducible,
    Reduced,
    agreed,
    count,
    first_answer,
    groups_of,
    majority_vote,
    reduce_answers,
)


def next_move(node: Ensemble, standing: Standing) -> Move:
    """What the ensemble `node` does next. It is asked again after each wait, and after its adviser has ended."""
    if node.hedge is not None:
        return _hedge(node, node.hedge.after, standing)
    if node.quorum is not None and standing.adviser is None:
        move = _quorum(node, node.quorum, standing)
        if move is not None:
            return move
    if len(standing.answers) < node.needed:
        return Fail(_too_few(node, standing))
    if standing.adviser is not None:
        return advised(node, standing, standing.adviser)
    return _reduce(node, standing)


def _reduce(node: Ensemble, standing: Standing) -> Move:
    answers = standing.answers
    if node.reduce.judge is not None or node.reduce.fuse is not None:
        voted = majority_vote(answers)
        if len(voted.decision.features["votes"]) > 1:
            return consult(node, standing)
        return Answer(amended(voted, reason=f"{voted.decision.reason}; nobody needs to be asked"))
    try:
        reduced = reduce_answers(node.reduce, answers)
    except Irreducible as error:
        return Fail(f"the answers of {len(answers)} members cannot be reduced: {error}.")
    if not reduced.tied or node.tie in (None, "first"):
        return Answer(reduced)
    if node.judge is not None:
        return consult(node, standing)
    return Fail(f"the members' votes are tied ({', '.join(reduced.tied[:5])}), and a tie shall fail.")


def _quorum(node: Ensemble, quorum: int, standing: Standing) -> Move | None:
    """None once all have ended without it."""
    if not standing.members:
        reason = f"{len(node.members)} members are asked; {quorum} must agree"
        decision = Decision(choice="members", reason=reason, confidence=0.0, features={"quorum": quorum})
        return Wait(quorum, tuple(range(len(node.members))), decision)
    still_open = len(standing.those(End.OPEN))
    groups = groups_of(node.reduce, standing.answers)
    largest = max(groups, key=lambda group: len(group.members), default=None)
    agree = len(largest.members) if largest is not None else 0
    if largest is not None and agree >= quorum:
        return Answer(_by_quorum(node, quorum, standing, largest))
    if not still_open:
        return None
    return Wait(quorum - agree if agree + still_open >= quorum else still_open)


def _by_quorum(node: Ensemble, quorum: int, standing: Standing, group: Group) -> Reduced:
    """The answer of the members that agree; what others said stays in the ballots."""
    answered, agree = len(standing.answers), len(group.members)
    share = round(agree / answered, 4)
    decision = Decision(
        choice=group.members[0].path,
        reason=f"{agree} members agree, which is the quorum; {answered} of {len(node.members)} had answered",
        confidence=share,
        features=count(groups_of(node.reduce, standing.answers)).features()
        | {
            "agreement": share,
            "quorum": quorum,
            "agreeing": [member.path for member in group.members],
            "given_up": [ballot.path for ballot in standing.those(End.OPEN)],
        },
    )
    return Reduced(agreed(node.reduce, group), decision)


def _hedge(node: Ensemble, after: float, standing: Standing) -> Move:
    asked, failed = len(standing.members), len(standing.those(End.FAILED))
    still_open = len(standing.those(End.OPEN))
    if standing.answers:
        reason = f"the first answer; {asked} of {len(node.members)} members were asked, {failed} failed"
        given_up: list[str] = [ballot.path for ballot in standing.those(End.OPEN)]
        return Answer(amended(first_answer(standing.answers), reason=reason, asked=asked, given_up=[*given_up]))
    if asked == len(node.members):
        return Wait(1) if still_open else Fail(_too_few(node, standing))
    why = "the first is asked" if not asked else f"no answer yet: {failed} failed, {still_open} at work"
    decision = Decision(
        choice=f"members.{asked}", reason=why, confidence=0.0, features={"asked": asked + 1, "failed": failed}
    )
    return Wait(1, (asked,), decision, after if asked + 1 < len(node.members) else None)


def _too_few(node: Ensemble, standing: Standing) -> str:
    failed = standing.those(End.FAILED)
    return (
        f"{len(standing.answers)} of {len(standing.members)} members answered, {node.needed} are needed; "
        f"the first failure: {failed[0].error if failed else 'none'}"
    )
