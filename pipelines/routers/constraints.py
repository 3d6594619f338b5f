"""Which branches can answer a query at all: it stays in the house if it must, it fits, and the models can do it.

A chain needs all its parts, a cascade any tier, an ensemble as many members as must answer, a route any branch.
"""

from __future__ import annotations

from dataclasses import dataclass

from mirepoix.config import Capability
from mirepoix.facts import context_window
from mirepoix.paths import Place, child, children
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Route
from pipelines.privacy import say
from pipelines.references import templates_of
from pipelines.routers.query import Query, estimate
from pipelines.scope import scope_of
from pipelines.templates import names_in

NEEDS = {"files": Capability.VISION, "tools": Capability.TOOLS, "schema": Capability.SCHEMA}
"""What a model must be able to do for an option of a call."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What holds for the branches of the route at `route`, asked about `query`.

    `last_resort`: a call may also be answered by the model of `privacy.model`, which its pipeline does not name.
    """

    route: Place
    query: Query
    last_resort: bool = False

    def against(self, place: Place) -> list[str]:
        """Why what stands at `place` cannot answer the query; nothing when it can."""
        node = place.node
        match node:
            case Call():
                return self._against_call(place, node)
            case Chain():
                return next((why for part in children(place) if (why := self.against(part))), [])
            case Map() | If():
                return self.against(child(place, 0))
            case Cascade() | Route():
                return self._against_fewer_than(1, place)
            case Ensemble():
                return self._against_fewer_than(node.needed, place)

    def asked(self, call: Call) -> str | None:
        """The model that will be asked: the one that the call names, or where that is external, one in the house."""
        config = self.query.config
        if not self.query.sensitive or not config.is_external(call.model):
            return call.model
        own = [model for model in config.in_house(call.model) if self.last_resort or model in config.line(call.model)]
        return own[0] if own else None

    def tokens(self, place: Place, call: Call, query: int | None = None) -> tuple[int, int]:
        """About how many tokens the call at `place` sends, and how many it may get; with a query of so many tokens."""
        asked = self.query.tokens if query is None else query
        written = estimate(call.prompt) + estimate(call.system or "")
        most = call.max_tokens or self.query.config.models[self.asked(call) or call.model].max_tokens
        return written + (asked if self.sees_query(place) else 0), most

    def _against_call(self, place: Place, call: Call) -> list[str]:
        model = self.asked(call)
        if model is None:
            found = say(self.query.sensitive)
            return [f"privacy: the query holds {found}, and {call.model!r} is external without a fallback in the house"]
        return [*self._too_long(place, call, model), *self._unable(call, model)]

    def _too_long(self, place: Place, call: Call, model: str) -> list[str]:
        config = self.query.config
        window = context_window(config.models[model], config.providers[config.provider_of(model)])
        sent, most = self.tokens(place, call)
        if window is None or sent + most <= window:
            return []
        return [f"context: about {sent} tokens and {most} for the answer; {model!r} takes {window}"]

    def _unable(self, call: Call, model: str) -> list[str]:
        able = self.query.config.models[model].capabilities
        if able is None:
            return []
        options = call.model_dump(by_alias=True, exclude_none=True)
        needed = {NEEDS[name] for name in NEEDS if options.get(name)}
        if not self.query.files:
            needed -= {Capability.VISION}
        return [f"capability: {model!r} lacks {lacking.value}" for lacking in sorted(needed - able)]

    def _against_fewer_than(self, least: int, place: Place) -> list[str]:
        """Why fewer than `least` of those below can answer: the reasons against them."""
        reasons = [self.against(below) for below in children(place)]
        if sum(not why for why in reasons) >= least:
            return []
        return list(dict.fromkeys(reason for why in reasons for reason in why))

    def sees_query(self, place: Place) -> bool:
        """Whether the call at `place` is sent what the route looked at."""
        here, there = scope_of(place), scope_of(self.route)
        same_item = (here.items_of and here.items_of.path) == (there.items_of and there.items_of.path)
        from_input = not there.previous and there.items_of is None
        for template in templates_of(place):
            used = names_in(template)
            steps = here.names if used.all_steps else used.steps
            if "previous" in used.names and same_item and set(here.previous) - set(there.previous) <= here.optional:
                return True
            if ("input" in used.names and from_input) or ("item" in used.names and same_item and not there.previous):
                return True
            if any(here.names.get(step) in there.previous for step in steps):
                return True
        return False
