"""From a pipeline to Celery's canvas: chains, chords and conditional continuations that carry ids only.

    call       one signature on its provider's queue
    chain      chain(step, step, …); where steps do not need each other, group([step, …]) of those that can begin
    ensemble   chord([member, member, …], reduce); one that may end early is one signature that sends its members apart,
               and the ledger leads on from it, since a chord would wait for them all
    cascade    chain(first tier, gate), or chord([first tiers], gate) where they are asked together; the gate replaces
               itself by chain(next tier, gate) when it is not content, or by chain(judge, gate) or
               chord([sample, sample, …], gate) when it cannot tell yet; with a policy it begins with the gate
    route, if  one signature that replaces itself by the branch it chooses
    map        one signature that replaces itself by chord([item, item, …], expand)

Celery copies what follows a step into that step's message. So that messages stay small however long a chain is, a
canvas holds at most `WINDOW` signatures of it; then a `go_on` step replaces itself by what comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery, Signature, chain, chord, group

from mirepoix.paths import Place, child, children
from mirepoix.planned import ReadyStep
from mirepoix.queues import BATCH, CALL, EXPAND, GATE, GO_ON, REDUCE, ROUTE, START, queue_name, shown_ids
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Route
from mirepoix.states import Lane
from pipelines.plan import first_links, first_tiers
from pipelines.references import runs_in_line

WINDOW = 6
TASKS = {"call": CALL, "route": ROUTE, "cascade": GATE, "ensemble": REDUCE, "map": EXPAND, "if": ROUTE}


@dataclass(frozen=True, slots=True)
class Canvas:
    """Builds signatures of one job in its lane. `provider_of` says which provider serves a model."""

    app: Celery
    job_id: str
    lane: Lane
    provider_of: Callable[[str], str]

    def of(self, place: Place) -> Signature[Any]:
        """The canvas of `place` from its beginning."""
        node = place.node
        match node:
            case Call() | Route() | Map() | If():
                return self.step(place)
            case Cascade():
                return self.before(place, first_tiers(place)) if node.at_once else self.step(place)
            case Ensemble():
                return self.step(place) if node.ends_early else self.fan(place, len(node.members))
            case Chain():
                return self.chain_from(place, 0)

    def chain_from(self, place: Place, index: int) -> Signature[Any]:
        """The chain at `place` from its step `index` on, or, where its steps run side by side, all that can begin."""
        if not runs_in_line(place):
            return group([self.of(link) for link in first_links(place)], app=self.app)
        links, room = list[Signature[Any]](), WINDOW
        for link in children(place)[index:]:
            if links and weight(link) > room:
                links.append(self._go_on(place, link.index))
                break
            links.append(self.of(link))
            if isinstance(link.node, Ensemble) and link.node.ends_early:
                break
            room -= weight(link)
        return links[0] if len(links) == 1 else chain(*links, app=self.app)

    def before(self, place: Place, below: list[Place]) -> Signature[Any]:
        """All of `below` at once, and the decision at `place` behind them."""
        first = [self.of(one) for one in below]
        if len(first) == 1:
            return chain(first[0], self.step(place), app=self.app)
        return chord(first, self.step(place), app=self.app)

    def advised(self, place: Place, adviser: Place) -> Signature[Any]:
        """The call of the model that the step at `place` asks for advice, and the step behind it."""
        return chain(self.of(adviser), self.step(place), app=self.app)

    def fan(self, place: Place, width: int) -> Signature[Any]:
        """The members of the ensemble, or the first items of the map, at `place` at once, and what gathers them."""
        members = [self.of(child(place, index)) for index in range(width)]
        return chord(members, self.step(place), app=self.app)

    def step(self, place: Place) -> Signature[Any]:
        """The one signature of the step at `place`."""
        node = place.node
        model = node.model if isinstance(node, Call) else None
        provider = self.provider_of(model) if model is not None else None
        return step_signature(self.app, ReadyStep(self.job_id, place.path, node.kind, self.lane, provider, model))

    def _go_on(self, place: Place, index: int) -> Signature[Any]:
        shown = f"({self.job_id} {place.path} from {index})"
        return _signature(self.app, GO_ON, (self.job_id, place.path, index), queue_name(None, self.lane), shown)


def step_signature(app: Celery, step: ReadyStep) -> Signature[Any]:
    """The signature of a single step; what Flower shows of it is the job, the path and the model."""
    queue = queue_name(step.provider, step.lane)
    shown = f"({' '.join(part for part in (step.job_id, step.path, step.model) if part)})"
    return _signature(app, TASKS[step.kind], (step.job_id, step.path), queue, shown)


def start_signature(app: Celery, job_ids: list[str], lane: Lane) -> Signature[Any]:
    """The signature that starts some jobs."""
    return _signature(app, START, tuple(job_ids), queue_name(None, lane), shown_ids(job_ids))


def batch_signature(app: Celery, batch_id: str, provider: str) -> Signature[Any]:
    """The signature that takes a batch one step further."""
    return _signature(app, BATCH, (batch_id,), queue_name(provider), f"({batch_id})")


def weight(place: Place) -> int:
    """How many signatures the canvas of `place` adds to the message of the step before it."""
    match place.node:
        case Call() | Route() | Map() | If():
            return 1
        case Cascade():
            return sum(weight(tier) for tier in first_tiers(place)) + 1
        case Ensemble() if place.node.ends_early:
            return 1
        case Ensemble():
            return sum(weight(member) for member in children(place)) + 1
        case Chain() if not runs_in_line(place):
            return sum(weight(link) for link in first_links(place))
        case Chain():
            return min(sum(weight(link) for link in children(place)), WINDOW + 1)


def _signature(app: Celery, task: str, args: tuple[str | int, ...], queue: str, shown: str) -> Signature[Any]:
    options = {"queue": queue, "argsrepr": shown, "kwargsrepr": "{}"}
    return Signature(task, args=args, options=options, app=app, immutable=True)
