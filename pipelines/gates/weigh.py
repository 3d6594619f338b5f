"""Put together what the gates say: a score from 0 to 1, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.spec.gates import Gate
from pipelines.gates.seen import Score


@dataclass(frozen=True, slots=True)
class Said:
    """What a gate said, how much it counts, and, where it is a veto, what its score had to reach (`floor`)."""

    gate: str
    score: Score
    weight: float
    floor: float | None = None

    @property
    def vetoes(self) -> bool:
        """Whether the answer is not accepted because of this gate alone."""
        value = self.score.value
        return self.score.veto or (self.floor is not None and (value is None or value < self.floor))

    @property
    def shown(self) -> dict[str, JsonValue]:
        """As the trace has it."""
        veto: dict[str, JsonValue] = {"must": self.floor} if self.floor is not None else {}
        if self.vetoes:
            veto["veto"] = True
        return (
            {"gate": self.gate, "score": self.score.value, "weight": self.weight} | veto | {"reason": self.score.reason}
        )

    def __str__(self) -> str:
        value = "no score" if self.score.value is None else f"{self.score.value:.2f}"
        return f"{self.gate} {value}{' (veto)' if self.vetoes else ''} ({self.score.reason})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mean of the scores by their weights, and the gates that veto the answer whatever that is."""

    score: float
    said: tuple[Said, ...]

    @property
    def vetoes(self) -> tuple[Said, ...]:
        """The gates that do not let the answer pass."""
        return tuple(said for said in self.said if said.vetoes)

    def accepts(self, threshold: float) -> bool:
        """Whether the answer is good enough. One that no gate could say anything of is not."""
        return not self.vetoes and self.score >= threshold


def floor_of(gate: Gate, threshold: float) -> float | None:
    """What a `must` asks of the gate's score; None where the gate is no veto."""
    if isinstance(gate.must, bool):
        return threshold if gate.must else None
    return gate.must


def weigh(said: Sequence[Said]) -> Verdict:
    """The verdict of those gates. Without any that counts the score is 1 where one passed, and 0 where none spoke."""
    counting = [one for one in said if one.score.value is not None]
    total = sum(one.weight for one in counting)
    if total > 0:
        score = sum((one.score.value or 0.0) * (one.weight / total) for one in counting)
    else:
        score = 1.0 if counting else 0.0
    return Verdict(round(min(1.0, score), 4), tuple(said))


def still_open(said: Sequence[Said], waiting: Sequence[Gate], threshold: float) -> bool:
    """Whether the gates `waiting` to be asked can change what those asked already say.

    They cannot when one of those vetoes; nor when even 0, or even 1, from all of them left the mean on the same side of
    the threshold. One that may veto can always change an answer that would pass.
    """
    if not waiting:
        return False
    if weigh(said).vetoes:
        return False
    lowest = weigh([*said, *(Said("", Score(0.0, ""), gate.weight) for gate in waiting)]).score
    highest = weigh([*said, *(Said("", Score(1.0, ""), gate.weight) for gate in waiting)]).score
    if highest < threshold:
        return False
    return lowest < threshold or any(gate.must for gate in waiting)
