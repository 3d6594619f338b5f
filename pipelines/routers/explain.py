"""What a pipeline's routes would choose for an input, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mirepoix.paths import Place, child, children, root
from mirepoix.spec import Call, Map, Pipeline, Route
from pipelines.outline import outline
from pipelines.privacy import say
from pipelines.routers import choose_branch
from pipelines.routers.constraints import Constraints
from pipelines.routers.expectation import NOTHING_MEASURED
from pipelines.routers.learned import NO_ROUTERS, Routers
from pipelines.routers.query import Query
from pipelines.scope import scope_of

Explanation = dict[str, Any]


def explain_routes(
    spec: Pipeline,
    query: Query,
    measured: Mapping[str, float] = NOTHING_MEASURED,
    routers: Routers = NO_ROUTERS,
) -> list[Explanation]:
    """What each route would choose and why, parents first; of those inside a branch only where it is chosen."""
    return list(_explain(root(spec), query, measured, routers))


def explain_calls(spec: Pipeline, query: Query) -> list[Explanation]:
    """The calls of `spec` that would be moved, or would fail, since `query` must not leave the house."""
    whole = root(spec)
    return list(_kept(whole, query, whole)) if query.sensitive else []


def _explain(place: Place, query: Query, measured: Mapping[str, float], routers: Routers) -> Iterator[Explanation]:
    node = place.node
    if not isinstance(node, Route):
        for below in _below(place):
            yield from _explain(below, query, measured, routers)
        return
    scope = scope_of(place)
    if scope.previous or scope.items_of is not None:
        waits = f"step {scope.previous[0]!r} has answered" if scope.previous else "the items are known"
        yield {"path": place.path, "choice": None, "reason": f"decided when {waits}"}
        for below in children(place):
            yield from _explain(below, query, measured, routers)
        return
    choice = choose_branch(place, query, measured, routers)
    then = None if choice.index is None else child(place, choice.index)
    said = {"then": outline(then.node)} if then else {"choice": None, "error_kind": choice.failure}
    yield {"path": place.path, "by": node.by, **choice.decision.model_dump(), **said}
    if then is not None:
        yield from _explain(then, query, measured, routers)


def _kept(place: Place, query: Query, whole: Place) -> Iterator[Explanation]:
    """Calls that see the input; whether others will carry it on is known when they are asked."""
    node = place.node
    if not isinstance(node, Call):
        for below in _below(place):
            yield from _kept(below, query, whole)
        return
    everywhere = Constraints(whole, query, last_resort=True)
    if query.config.is_external(node.model) and everywhere.sees_query(place):
        instead = everywhere.asked(node)
        then = f"{instead!r} is asked instead" if instead else "no model in the house can be asked, so it would fail"
        reason = f"the input holds {say(query.sensitive)}, and {node.model!r} is external; {then}"
        yield {"path": place.path, "model": node.model, "in_house": instead, "reason": reason}


def _below(place: Place) -> list[Place]:
    return [child(place, 0)] if isinstance(place.node, Map) else children(place)
