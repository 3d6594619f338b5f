"""Walk through a pipeline as the tasks would, with recorded answers in the place of models.

What only a clock knows is taken as recorded: which members had answered when a quorum was reached, when a hedge asked
its next member, and what models took of late. So is what a worker decided about a request itself (that it must stay in
the house). Where a job's own pipeline is walked again, trained files are asked in the version that decided then; where
another is, in the one that decides now. What was never asked, or given up before its end, stays open, and so does what
waits for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from mirepoix.config import Config
from mirepoix.ended import Below, blame
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, advisers, child, children, root
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Pipeline, Route, parse
from mirepoix.states import ErrorKind, StepState
from mirepoix.views import Decision, StepView, TraceView
from pipelines import ensembles
from pipelines.conditions import check_condition
from pipelines.ensembles import Answer, Consult, End, Fail, Standing, Wait
from pipelines.gates import Move, Tier, needs_function, places_asked, policy_move, tiers_by_number
from pipelines.gates import next_move as next_tier
from pipelines.plan import first_tiers
from pipelines.references import needs
from pipelines.replay.questions import Heard, Library, Question, question_of
from pipelines.replay.trained import NO_FILES, TrainedFiles
from pipelines.routers import choose_branch
from pipelines.routers.learned import NO_ROUTERS, Routers
from pipelines.routers.pinned import pinned_branch
from pipelines.routers.query import as_query
from pipelines.spreading import gather, spread
from pipelines.values import Values, find_items, visible_values

DONE = (StepState.SUCCEEDED, StepState.FAILED)
BROKE = (ErrorKind.INTERNAL, ErrorKind.GAVE_UP)
"""Ends that no thinking leads to: the task itself broke."""
LAST = datetime.max.replace(tzinfo=UTC)
Find = Callable[["Walk", Place, Call], StepView | None]


@dataclass(frozen=True, slots=True)
class Unasked:
    """A call that the walk came to and that no recorded answer serves."""

    path: str
    model: str


class _Open(Exception):
    """A step whose end nobody knows: it was given up, or never asked."""


@dataclass(slots=True)
class Walk:
    """One way through `spec` with what `trace` recorded; a `pipelines.values.Record` of how far it came.

    `decisions` are those made on the way, `heard` the recorded call that serves each call, `facts` the steps of which
    something was taken as recorded.
    """

    trace: TraceView
    spec: Pipeline
    config: Config
    find: Find
    own: bool
    trained: TrainedFiles = NO_FILES
    decisions: dict[str, list[Decision]] = field(default_factory=lambda: defaultdict(list))
    heard: dict[str, StepView] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    unasked: list[Unasked] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    ends: dict[str, Below] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    _below: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _recorded: dict[str, StepView] = field(default_factory=dict)
    _error_kinds: dict[str, ErrorKind] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        """The job that is replayed."""
        return self.trace.job

    @property
    def given(self) -> JsonValue:
        """Its input."""
        return self.trace.input

    def outputs(self, paths: Iterable[str]) -> Values:
        """The answers of those of `paths` that have one by now."""
        ends = {path: self.ends[path] for path in sorted(set(paths)) if path in self.ends}
        return {path: end.output for path, end in ends.items() if end.state is StepState.SUCCEEDED}

    def below(self, path: str) -> list[Below]:
        """The steps right below `path` that the walk came to, in order."""
        return sorted((self.ends[below] for below in self._below[path]), key=lambda below: below.position)

    def recorded(self, path: str) -> StepView | None:
        """The step at `path` as it was recorded."""
        return self._recorded.get(path)

    def go(self) -> Walk:
        """Walk to the end, or as far as answers lead."""
        self._recorded = {step.path: step for step in self.trace.steps}
        self._visit(root(self.spec))
        return self

    @property
    def end(self) -> Below:
        """How the whole pipeline ends; `running` where answers do not lead so far."""
        return self.ends[root(self.spec).path]

    def _visit(self, place: Place) -> Below:
        self.kinds[place.path] = place.node.kind
        recorded = self._recorded.get(place.path)
        if self.own and recorded is not None and recorded.error_kind in BROKE:
            self.facts[place.path] = "the task itself broke"
            return self._fail(place, ErrorKind(recorded.error_kind), str(recorded.error))
        try:
            return self._do(place)
        except _Open:
            return self._end(place, StepState.RUNNING)
        except PipelineError as error:
            return self._fail(place, ErrorKind.TEMPLATE, str(error))

    def _do(self, place: Place) -> Below:
        match place.node:
            case Call() as node:
                return self._call(place, node)
            case Chain():
                return self._chain(place)
            case Route() as node:
                return self._route(place, node)
            case If() as node:
                return self._condition(place, node)
            case Cascade() as node:
                return self._cascade(place, node)
            case Map() as node:
                return self._map(place, node)
            case Ensemble() as node:
                return self._ensemble(place, node)

    def _call(self, place: Place, node: Call) -> Below:
        step = self.find(self, place, node)
        if step is None:
            self.unasked.append(Unasked(place.path, node.model))
            raise _Open
        self.heard[place.path] = step
        if step.decisions:
            self.facts[place.path] = "what a worker decided about the request itself"
            self.decisions[place.path] += step.decisions
        if step.state is StepState.FAILED:
            return self._fail(place, ErrorKind(step.error_kind or ErrorKind.INTERNAL), step.error or "")
        if step.state is not StepState.SUCCEEDED:
            raise _Open
        attempts = [attempt for call in step.calls for attempt in call.attempts if attempt.error_kind is None]
        last = max(attempts, key=lambda attempt: attempt.started_at, default=None)
        reason, logprob = (None, None) if last is None else (last.finish_reason, last.logprob)
        return self._answer(place, step.output, finish_reason=reason, logprob=logprob)

    def _chain(self, place: Place) -> Below:
        links = children(place)
        for link, needed in zip(links, needs(place), strict=True):
            if all(self._succeeded(links[index]) for index in needed):
                self._visit(link)
        ends = [self.ends[link.path] for link in links if link.path in self.ends]
        failed = [end for end in ends if end.state is StepState.FAILED]
        if failed:
            return self._blame(place, min(failed, key=lambda end: (self._finished(end.path), end.position)))
        if len(ends) < len(links) or not all(map(self._succeeded, links)):
            raise _Open
        return self._answer(place, ends[-1].output)

    def _route(self, place: Place, node: Route) -> Below:
        value = visible_values(self, place)["previous"]
        query = as_query(value, self.config, self.trace.task)
        pinned = pinned_branch(place, self.trace.again) if self.own else None
        choice = pinned or choose_branch(place, query, self._measured(place), self._trained(place, node))
        self._decide(place, choice.decision)
        if choice.index is None:
            return self._fail(place, choice.failure or ErrorKind.NO_BRANCH, choice.decision.reason)
        return self._adopt(place, child(place, choice.index))

    def _condition(self, place: Place, node: If) -> Below:
        decision = check_condition(node, visible_values(self, place))
        self._decide(place, decision)
        return self._answer(place, None) if decision.choice == "skip" else self._adopt(place, child(place, 0))

    def _cascade(self, place: Place, node: Cascade) -> Below:
        self._require_ends(first_tiers(place))
        while True:
            tiers = tiers_by_number(place, self.below(place.path))
            move = self._advised(place, node, tiers) if node.policy else self._next_tier(node, tuple(tiers.values()))
            self._decide(place, move.decision)
            if move.stands is not None:
                return self._answer(place, tiers[move.stands].answer)
            if move.ask is None:
                return self._fail(place, ErrorKind.EXHAUSTED, move.decision.reason)
            self._require_ends(places_asked(place, move))

    def _next_tier(self, node: Cascade, tiers: tuple[Tier, ...]) -> Move:
        given = self.given if needs_function(node.accept) else None
        return next_tier(node.accept, tiers, more=len(tiers) < len(node.tiers), given=given)

    def _advised(self, place: Place, node: Cascade, tiers: Mapping[int, Tier]) -> Move:
        """What the policy says that was asked at this point, or last; in another pipeline the one of now."""
        recorded = [decision.trained for decision in self._timed(place) if decision.trained]
        if node.policy is not None and not self.own:
            policy = self.trained.policy(node.policy.learned)
        elif recorded:
            policy = self.trained.policy_then(recorded[min(len(self.decisions[place.path]), len(recorded) - 1)])
        else:
            self.facts[place.path] = "which version of the policy was promoted"
            raise _Open
        question = as_query(visible_values(self, place)["previous"], self.config).text
        return policy_move(node, tiers, question, policy)

    def _map(self, place: Place, node: Map) -> Below:
        items = find_items(self, place)
        self._decide(place, spread(items))
        if not items:
            return self._answer(place, [])
        self._require_ends([child(place, index) for index in range(len(items))])
        gathered = gather(node, self.below(place.path))
        if isinstance(gathered, str):
            return self._fail(place, ErrorKind.CHILD, gathered)
        self._decide(place, gathered.decision)
        return self._answer(place, list(gathered.output))

    def _ensemble(self, place: Place, node: Ensemble) -> Below:
        if node.quorum is not None:
            self.facts[place.path] = "which members had answered when the quorum was reached"
        elif not node.ends_early:
            self._require_ends(children(place))
        while True:
            match ensembles.next_move(node, self._standing(place, node)):
                case Wait() as wait:
                    self._wait(place, wait)
                case Consult(decision):
                    self._decide(place, decision)
                    self._require_end(advisers(place)[0])
                case Answer(reduced):
                    self._decide(place, reduced.decision)
                    return self._answer(place, reduced.output)
                case Fail(reason):
                    return self._fail(place, ErrorKind.REDUCE, reason)

    def _wait(self, place: Place, wait: Wait) -> None:
        """Ask more members; where none is left to be asked, nothing more will come."""
        if wait.decision is not None:
            self._decide(place, wait.decision)
        if not wait.ask:
            raise _Open
        for index in wait.ask:
            self._visit(child(place, index))

    def _standing(self, place: Place, node: Ensemble) -> Standing:
        """How the ensemble stands; a hedge that asked a further member stood as recorded then."""
        standing = ensembles.standing_of(place, self.job_id, self.below(place.path))
        asked = len(standing.members)
        recorded = self._timed(place)
        if node.hedge is None or not asked or asked >= len(recorded):
            return standing
        then = recorded[asked]
        if not then.choice.startswith("members.") or "failed" not in then.features:
            return standing
        self.facts[place.path] = "when the hedge asked its next member"
        failed = [ballot.path for ballot in standing.those(End.FAILED)][: then.features["failed"]]
        members = tuple(b if b.path in failed else replace(b, end=End.OPEN, answer=None) for b in standing.members)
        return replace(standing, members=members)

    def _timed(self, place: Place) -> tuple[Decision, ...]:
        """What was recorded of this step, where its clock still counts: it stands as it stood."""
        recorded = self._recorded.get(place.path)
        if recorded is None or recorded.kind != place.node.kind:
            return ()
        return recorded.decisions

    def _measured(self, place: Place) -> Mapping[str, float]:
        """What models took of late when the recorded route looked."""
        measured: dict[str, float] = {}
        for decision in self._timed(place):
            measured |= decision.features.get("measured", {})
        if measured:
            self.facts[place.path] = "what models took of late"
        return measured

    def _trained(self, place: Place, node: Route) -> Routers:
        """The router that the recorded route asked, under its name there; in another pipeline that of now."""
        if node.router is None:
            return NO_ROUTERS
        asked = [decision.trained for decision in self._timed(place) if decision.trained] if self.own else []
        return {node.router: self.trained.router_then(asked[0]) if asked else self.trained.router(node.router)}

    def _decide(self, place: Place, decision: Decision) -> None:
        """Note the decision; where the job was ended before it was made, the walk ends, too."""
        recorded = self._recorded.get(place.path)
        made = self.decisions[place.path]
        if self.own and recorded is not None and recorded.state not in DONE and len(made) >= len(recorded.decisions):
            raise _Open
        made.append(decision)

    def _require_end(self, place: Place) -> None:
        if self._visit(place).state not in DONE:
            raise _Open

    def _require_ends(self, places: list[Place]) -> None:
        """All are visited before the first that is open counts."""
        if any(state not in DONE for state in [self._visit(place).state for place in places]):
            raise _Open

    def _adopt(self, place: Place, below: Place) -> Below:
        self._require_end(below)
        end = self.ends[below.path]
        return self._blame(place, end) if end.state is StepState.FAILED else self._answer(place, end.output)

    def _blame(self, place: Place, failed: Below) -> Below:
        text = blame(failed.path, self._error_kinds.get(failed.path), failed.error)
        return self._fail(place, ErrorKind.CHILD, text)

    def _answer(self, place: Place, output: JsonValue, **more: Any) -> Below:
        return self._end(place, StepState.SUCCEEDED, output=output, **more)

    def _fail(self, place: Place, kind: ErrorKind, error: str) -> Below:
        self._error_kinds[place.path] = kind
        return self._end(place, StepState.FAILED, error=error)

    def _end(self, place: Place, state: StepState, **values: Any) -> Below:
        whole = {"output": None, "error": None, "finish_reason": None} | values
        end = Below(path=place.path, position=place.index, state=state, **whole)
        if place.path not in self.ends and place.parent is not None:
            self._below[place.parent.path].append(place.path)
        self.ends[place.path] = end
        return end

    def _succeeded(self, place: Place) -> bool:
        return place.path in self.ends and self.ends[place.path].state is StepState.SUCCEEDED

    def _finished(self, path: str) -> datetime:
        recorded = self._recorded.get(path)
        return LAST if recorded is None or recorded.finished_at is None else recorded.finished_at


def walk_recorded(
    trace: TraceView, config: Config, library: Library | None = None, trained: TrainedFiles = NO_FILES
) -> Walk:
    """Walk the pipeline as it was, with the answer that each step got; `library` learns what was asked.

    What a shadow was answered, it learns as answers of the job that it shadows.
    """

    def find(walk: Walk, place: Place, node: Call) -> StepView | None:
        step = walk.recorded(place.path)
        if step is not None and library is not None:
            question = question_of(walk, place)
            walk.questions[place.path] = question
            library.add(question, Heard(trace.shadow_of or trace.job, step))
        return step

    return Walk(trace, parse(trace.spec), config, find, own=True, trained=trained).go()


def walk_with(
    trace: TraceView, spec: Pipeline, config: Config, library: Library, trained: TrainedFiles = NO_FILES
) -> Walk:
    """Walk another pipeline with the answers that `library` has for its questions."""

    def find(walk: Walk, place: Place, node: Call) -> StepView | None:
        question = question_of(walk, place)
        walk.questions[place.path] = question
        taken = {step.path for step in walk.heard.values()}
        heard = library.find(question, trace.job, place.path, taken)
        return None if heard is None else heard.step

    return Walk(trace, spec, config, find, own=False, trained=trained).go()
