"""Route by a trained router: to the branch whose model is worth most, by its chance of a right answer and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from mirepoix.errors import PipelineError
from mirepoix.spec import Route
from mirepoix.spec.route import AIMS
from mirepoix.strict import unknown
from pipelines.routers.expectation import Candidate
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query

if TYPE_CHECKING:  # numpy: only who has such a route needs the extra `learned`
    from pipelines.learned.model import LearnedRouter
    from pipelines.learned.policy import Tariff

Routers = Mapping[str, "LearnedRouter"]
"""Trained routers by the names under which routes ask for them."""
MANY = 1_000
"""Tokens by which a branch's charge for a token is told."""
NO_ROUTERS: Routers = MappingProxyType({})


def by_learned(node: Route, query: Query, candidates: Sequence[Candidate], routers: Routers) -> Preference:
    """The branch that serves the route's aim best. Raises PipelineError where router, model or price is not known."""
    from pipelines.learned.policy import Aim, choose_model

    router = routers.get(str(node.router))
    if router is None:
        raise PipelineError(f"the router {node.router!r} is not at hand; `mirepoix train {node.router}` makes one.")
    branches = _by_model(node, router, candidates)
    aim = {name: value for name in AIMS if (value := getattr(node, name)) is not None}
    forecast = router.forecast(query.text)
    tariffs = {model: _tariff(candidate, forecast.answer_tokens[model] > 0) for model, candidate in branches.items()}
    if node.max_cost_per_call is None:
        cost = {m: float(t.cost(query.tokens, forecast.answer_tokens[m])) for m, t in tariffs.items()}
    else:  # a bound on what may be paid, not on what is likely to
        cost = {model: float(candidate.cost or 0) for model, candidate in branches.items()}
    chance = {model: forecast.chance[model] for model in branches}
    chosen = choose_model(chance, cost, Aim(**aim), tariffs, router.held_out)
    features = {
        "router": node.router,
        "hash": router.hash,
        "aim": aim,
        "chances": {model: round(chance[model], 4) for model in cost},
        "costs": {model: f"{usd:.12f}" for model, usd in cost.items()},
        "models": {f"to.{candidate.index}": model for model, candidate in branches.items()},
        "quality_per_usd": round(chosen.price, 6),
    }
    (name, value), index = next(iter(aim.items())), branches[chosen.model].index
    reason = f"{chosen.model!r} is right with a chance of {chosen.chance:.0%}, and serves {name} {value:g} best"
    return Preference(index, reason, round(chosen.chance, 4), features, trained=router.hash)


def _tariff(candidate: Candidate, answers_known: bool) -> Tariff:
    """What the branch charges, by what it costs for a query of no tokens and for one of many.

    Its first call, the one that the router knows, answers as it is expected to, or, where that is not known, in all
    the tokens that it may.
    """
    from pipelines.learned.policy import Tariff

    answer = 0 if answers_known else None
    fixed, longer, answered = (
        float(candidate.cost_of(sent, received) or 0)
        for sent, received in ((0, answer), (MANY, answer), (0, MANY if answers_known else None))
    )
    return Tariff(fixed, (longer - fixed) / MANY, (answered - fixed) / MANY, candidate.longest_answer)


def require_learned() -> None:
    """Raise PipelineError where what a trained router runs on is not installed."""
    if find_spec("numpy") is None:
        raise PipelineError("a route by learned needs numpy: pip install 'mirepoix[learned]'.")


def _by_model(node: Route, router: LearnedRouter, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The branches by the model that the router knows each by; of two with the same model the cheaper one."""
    branches: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.cost or 0):
        model = candidate.branch.model or candidate.first_model
        if model not in router.models:
            what = f"model {model!r} of branch {candidate.index} in the router {node.router!r}"
            raise PipelineError(unknown(what, str(model), router.models) + " `model` names a branch otherwise.")
        if candidate.cost is None:
            raise PipelineError(f"branch {candidate.index}: its cost is not known; give its models a `price`.")
        branches.setdefault(model, candidate)
    return {model: branches[model] for model in sorted(branches, key=lambda model: branches[model].index)}
