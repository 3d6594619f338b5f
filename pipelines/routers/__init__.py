"""Choose a branch by looking at the query alone: first what rules branches out, then one way of preferring a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mirepoix.config import Config
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, children, walk_below
from mirepoix.spec import Call, Route
from mirepoix.states import ErrorKind
from mirepoix.views import Decision
from pipelines.routers.complexity import by_complexity
from pipelines.routers.constraints import Constraints
from pipelines.routers.expectation import NOTHING_MEASURED, Candidate
from pipelines.routers.learned import NO_ROUTERS, Routers, by_learned, require_learned
from pipelines.routers.plugins import load
from pipelines.routers.preference import Preference, Router
from pipelines.routers.query import Query
from pipelines.routers.semantic import EMBEDDINGS, by_meaning
from pipelines.routers.simple import by_privacy, cheapest, fastest, first
from pipelines.routers.task import by_task

__all__ = ["NEEDS_NO_LATENCY", "QUICK", "Choice", "Preference", "Query", "Router", "check_route", "choose_branch"]

PLUGINS = "mirepoix.routers"
BUILT_IN: dict[str, Router] = {
    "first": first,
    "complexity": by_complexity,
    "task": by_task,
    "privacy": by_privacy,
    "semantic": by_meaning,
    "cheapest": cheapest,
    "fastest": fastest,
}
LEARNED = "learned"
"""The one that is asked with what was trained at hand."""
NEEDS_NO_LATENCY = frozenset((*BUILT_IN, LEARNED)) - {"fastest"}
"""Routers that do not look at what models took of late."""
QUICK = NEEDS_NO_LATENCY - {LEARNED, "semantic"}
"""Routers that look at the query and the configuration alone: nothing is measured or loaded for them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The index of the branch to take, or with `failure` none; and why."""

    index: int | None
    decision: Decision
    failure: ErrorKind | None = None


def choose_branch(
    place: Place,
    query: Query,
    measured: Mapping[str, float] = NOTHING_MEASURED,
    routers: Routers = NO_ROUTERS,
) -> Choice:
    """Rule out the branches of the route at `place` that cannot answer, and choose among the others.

    `measured` are the seconds that models took of late, for those whose latency is not configured; `routers` the
    trained ones that a route by `learned` asks, by name. Raises PipelineError.
    """
    node = _route(place)
    constraints, against = _rule_out(place, query)
    ruled_out = {f"to.{index}": why for index, why in enumerate(against) if why}
    features = {"ruled_out": ruled_out, "tokens": query.tokens, "sensitive": query.sensitive}
    candidates = [
        Candidate(branch.index, node.to[branch.index], branch, constraints, measured)
        for branch in children(place)
        if not against[branch.index]
    ]
    if not candidates:
        return _none(against, features)
    preferred = _ask(node, query, candidates, routers)
    passed_over = [f"{branch} ({why[0].partition(':')[0]})" for branch, why in ruled_out.items()]
    reason = preferred.reason + (f"; ruled out: {', '.join(passed_over)}" if passed_over else "")
    features |= preferred.features
    if node.by not in NEEDS_NO_LATENCY:
        features["measured"] = _measured_below(place, query.config, measured)
    decision = Decision(
        choice=f"to.{preferred.index}",
        reason=reason,
        confidence=preferred.confidence,
        features=features,
        trained=preferred.trained,
    )
    return Choice(preferred.index, decision)


def check_route(node: Route) -> None:
    """Raise PipelineError when what the route names cannot be found."""
    if node.by == LEARNED:
        require_learned()
    elif node.by not in BUILT_IN:
        load(node.by, PLUGINS, (*BUILT_IN, LEARNED))
    if node.embeddings not in (None, "ngrams"):
        load(str(node.embeddings), EMBEDDINGS, ("ngrams",))


def _measured_below(place: Place, config: Config, measured: Mapping[str, float]) -> dict[str, float]:
    """What was known of the models below the route, so that a replay can look at the same."""
    named = {below.node.model for below in walk_below(place) if isinstance(below.node, Call)}
    asked = {model for name in named for model in (name, *config.in_house(name))}
    return {model: measured[model] for model in sorted(asked) if model in measured}


def _rule_out(place: Place, query: Query) -> tuple[Constraints, list[list[str]]]:
    """What holds, and the reasons against each branch.

    Branches whose own models are in the house come first. Only where there is none, the model that the house keeps for
    such cases counts too.
    """
    for last_resort in (False, True):
        constraints = Constraints(place, query, last_resort)
        against = [constraints.against(branch) for branch in children(place)]
        if not all(against):
            break
    return constraints, against


def _none(against: list[list[str]], features: dict[str, object]) -> Choice:
    reasons = list(dict.fromkeys(reason for why in against for reason in why))
    private = any(reason.startswith("privacy") for reason in reasons)
    decision = Decision(
        choice="fail", reason=f"no branch can answer: {'; '.join(reasons)}", confidence=1.0, features=features
    )
    return Choice(None, decision, ErrorKind.PRIVACY if private else ErrorKind.NO_BRANCH)


def _ask(node: Route, query: Query, candidates: list[Candidate], routers: Routers) -> Preference:
    if node.by == LEARNED:
        return by_learned(node, query, candidates, routers)
    router: Router = BUILT_IN[node.by] if node.by in BUILT_IN else load(node.by, PLUGINS, (*BUILT_IN, LEARNED))
    said: object = router(node, query, candidates)
    preferred = Preference(said, f"{node.by} says so") if isinstance(said, int) else said
    if not isinstance(preferred, Preference) or preferred.index not in {candidate.index for candidate in candidates}:
        known = [candidate.index for candidate in candidates]
        raise PipelineError(f"the router {node.by!r} must name one of the branches {known} that can answer.")
    return preferred


def _route(place: Place) -> Route:
    if not isinstance(place.node, Route):
        raise PipelineError(f"step {place.path!r} is no route.")
    return place.node
