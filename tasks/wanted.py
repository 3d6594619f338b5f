"""What a call wants of an answer: the JSON that its schema asks for, or whatever comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection

from db.reasks import broken_answers
from db.steps import Claim
from mirepoix.spec import Call
from pipelines.answers import Form, Unfit, ask_anew, explain_flaws, read_answer, retold
from pipelines.gates.quality import CUT_SHORT
from tasks.providers.base import Question, Turn

TOO_LONG = "the answer was cut short at its longest allowed length before its JSON was complete; answer more briefly"


@dataclass(frozen=True, slots=True)
class Misfit:
    """An answer that does not fit: `problems` may quote it, `reason` holds nothing of it."""

    problems: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fit:
    """The step's output, and as what it stood in the answer."""

    output: JsonValue
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schema of a call, if it has one; `reasks_left` is how often its model may be asked again."""

    schema: dict[str, Any] | None = None
    repair: bool = False
    reasks_left: int = 0

    def read(self, answer: JsonValue, finish_reason: str | None) -> Fit | Misfit:
        """The output that `answer` gives. One that was cut short is never repaired: its end would be made up."""
        if self.schema is None:
            return Fit(answer)
        cut = finish_reason in CUT_SHORT
        reading = read_answer(answer, self.schema, repair=self.repair and not cut)
        if not isinstance(reading, Unfit):
            return Fit(reading.value, reading.form)
        if cut:
            return Misfit(TOO_LONG, "the answer was cut short (max_tokens) before its JSON was complete")
        rules = ", ".join(dict.fromkeys(flaw.rule for flaw in reading.flaws))
        return Misfit(explain_flaws(reading.flaws), f"the answer does not fit its schema ({rules})")


def want(connection: Connection, claim: Claim, node: Call, question: Question) -> tuple[Wanted, Question]:
    """What `node` wants, and `question` with it; asked again with what was wrong, where the model has answered badly.

    What came before is read from the ledger, so that a call which is handed on does not begin to count anew.
    """
    if node.schema_ is None:
        return Wanted(), question
    asked = replace(question, schema=node.schema_)
    broken = broken_answers(connection, claim, claim.model or node.model)
    count = 0 if broken is None else broken.count
    wanted = Wanted(node.schema_, bool(node.repair), node.reasks - count)
    if broken is None:
        return wanted, asked
    again = (Turn("assistant", retold(broken.answer)), Turn("user", ask_anew(broken.problems, node.schema_)))
    return wanted, replace(asked, turns=(*asked.turns, *again))
