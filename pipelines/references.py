"""What a step of a chain needs of the steps before it: found from what its prompts refer to."""

from __future__ import annotations

from mirepoix.paths import Place, children, walk_below
from mirepoix.spec import Call, Chain, If, Map, Route
from pipelines.scope import Scope, scope_of
from pipelines.templates import as_template, names_in


def needs(place: Place) -> list[frozenset[int]]:
    """For each step of the chain at `place` the indices of those before it that it, or anything below it, refers to."""
    links = children(place)
    index_of = {link.path: link.index for link in links}
    return [
        frozenset(
            index_of[path]
            for below in walk_below(link)
            for path in _referred(below)
            if path in index_of and index_of[path] < link.index
        )
        for link in links
    ]


def runs_in_line(place: Place) -> bool:
    """Whether each step of the chain at `place` needs the one before it, so that none can run beside another."""
    return all(index - 1 in needed for index, needed in enumerate(needs(place)) if index)


def _referred(place: Place) -> set[str]:
    """The paths of the steps that the node at `place` itself refers to."""
    scope = scope_of(place)
    if isinstance(place.node, Chain):
        return set()
    if isinstance(place.node, Route):
        return set(scope.previous)
    paths = set[str]()
    for template in templates_of(place):
        used = names_in(template)
        refers = "previous" in used.names or ("question" in used.names and _asks_what_came_before(scope))
        paths |= set(scope.previous) if refers else set()
        wanted = scope.names if used.all_steps else used.steps
        paths |= {scope.names[name] for name in wanted if name in scope.names}
    return paths


def _asks_what_came_before(scope: Scope) -> bool:
    """Whether a judge is shown what came before as the question: where a tier is no call, it has no prompt of its own.

    A judge stands for those of all tiers here.
    """
    cascade = scope.judged[0].parent if scope.judged else None
    return cascade is not None and any(not isinstance(tier.node, Call) for tier in children(cascade))


def templates_of(place: Place) -> list[str]:
    """The templates of the node at `place` itself; expressions as templates."""
    match place.node:
        case Call() as call:
            expressions = [as_template(text) for text in (call.messages, call.files) if text]
            return [call.prompt, *([call.system] if call.system else []), *expressions]
        case Map(over=over):
            return [over]
        case If(when=when):
            return [as_template(when)]
        case _:
            return []
