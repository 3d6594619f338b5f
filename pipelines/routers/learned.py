"""Route by a trained router: to the branch whose model is worth most, by its chance of a right answer and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from mirepoix.errors import PipelineError
from mirepoix.paths import Place, walk_below
from mirepoix.spec import Call, Route
from mirepoix.spec.route import AIMS
from mirepoix.strict import unknown
from pipelines.routers.expectation import Candidate
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query

if TYPE_CHECKING:  # numpy: only who has such a route needs the extra `learned`
    from pipelines.learned.model import LearnedRouter

Routers = Mapping[str, "LearnedRouter"]
"""Trained routers by the names under which routes ask for them."""
NO_ROUTERS: Routers = MappingProxyType({})


def by_learned(node: Route, query: Query, candidates: Sequence[Candidate], routers: Routers) -> Preference:
    """The branch that serves the route's aim best. Raises PipelineError where router, model or price is not known."""
    from pipelines.learned.policy import Aim, choose_model

    router = routers.get(str(node.router))
    if router is None:
        raise PipelineError(f"the router {node.router!r} is not at hand; `mirepoix train {node.router}` makes one.")
    branches = _by_model(node, router, candidates)
    cost = {model: float(candidate.cost or 0) for model, candidate in branches.items()}
    chance = router.predict(query.text)
    aim = {name: value for name in AIMS if (value := getattr(node, name)) is not None}
    chosen = choose_model({model: chance[model] for model in cost}, cost, Aim(**aim), router.held_out)
    features = {
        "router": node.router,
        "hash": router.hash,
        "aim": aim,
        "chances": {model: round(chance[model], 4) for model in cost},
        "costs": {model: str(candidate.cost) for model, candidate in branches.items()},
        "models": {f"to.{candidate.index}": model for model, candidate in branches.items()},
        "quality_per_usd": round(chosen.price, 6),
    }
    (name, value), index = next(iter(aim.items())), branches[chosen.model].index
    reason = f"{chosen.model!r} is right with a chance of {chosen.chance:.0%}, and serves {name} {value:g} best"
    return Preference(index, reason, round(chosen.chance, 4), features, trained=router.hash)


def require_learned() -> None:
    """Raise PipelineError where what a trained router runs on is not installed."""
    if find_spec("numpy") is None:
        raise PipelineError("a route by learned needs numpy: pip install 'mirepoix[learned]'.")


def _by_model(node: Route, router: LearnedRouter, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The branches by the model that the router knows each by; of two with the same model the cheaper one."""
    branches: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.cost or 0):
        model = candidate.branch.model or _first_model(candidate.place)
        if model not in router.models:
            what = f"model {model!r} of branch {candidate.index} in the router {node.router!r}"
            raise PipelineError(unknown(what, str(model), router.models) + " `model` names a branch otherwise.")
        if candidate.cost is None:
            raise PipelineError(f"branch {candidate.index}: its cost is not known; give its models a `price`.")
        branches.setdefault(model, candidate)
    return {model: branches[model] for model in sorted(branches, key=lambda model: branches[model].index)}


def _first_model(place: Place) -> str | None:
    return next((below.node.model for below in walk_below(place) if isinstance(below.node, Call)), None)
