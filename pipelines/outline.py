"""Say in one line what a pipeline compiles to."""

from __future__ import annotations

from mirepoix.paths import Place, advisers, child, children, root
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Pipeline, Route
from pipelines.references import needs, runs_in_line


def outline(spec: Pipeline) -> str:
    """As `chain(call mini, chord([call haiku, call mini], reduce))`."""
    return _of(root(spec))


def _of(place: Place) -> str:
    node = place.node
    match node:
        case Call():
            return f"call {node.model}"
        case If():
            return f"if({_of(child(place, 0))})"
        case Chain() if not runs_in_line(place):
            links = zip(children(place), needs(place), strict=True)
            return f"group({', '.join(_after(link, needed) for link, needed in links)})"
        case Chain():
            return f"chain({', '.join(_of(link) for link in children(place))})"
        case Ensemble():
            return _of_ensemble(place, node)
        case Cascade():
            return _of_cascade(place, node)
        case Route():
            return f"route by {node.by}({' | '.join(_of(branch) for branch in children(place))})"
        case Map():
            return f"expand -> chord([{_of(child(place, 0))}, …], expand)"


def _of_cascade(place: Place, node: Cascade) -> str:
    tiers, gate = [_of(tier) for tier in children(place)], f"gate{_asked_by_gate(node)}"
    if node.policy is not None:
        return f"gate by policy {node.policy.learned} -> ({' | '.join(tiers)}), gate"
    first, later = tiers[: node.at_once], tiers[node.at_once :]
    begin = f"chain({first[0]}, {gate}" if len(first) == 1 else f"chord([{', '.join(first)}], {gate}"
    return f"{begin}{''.join(f' -> {tier}, {gate}' for tier in later)})"


def _asked_by_gate(node: Cascade) -> str:
    """The models that a gate may ask before it decides."""
    gates = node.accept.gates
    asked = [
        *([f"{gates.consistency.samples} samples"] if gates and gates.consistency else []),
        *([f"judge {gates.judge.model}"] if gates and gates.judge else []),
    ]
    return f"({', '.join(asked)})" if asked else ""


def _after(link: Place, needed: frozenset[int]) -> str:
    """A step that runs beside others, and which of them it waits for."""
    names = [child(link.parent, index).path for index in sorted(needed)] if link.parent else []
    return f"{_of(link)}{' after ' + ', '.join(names) if names else ''}"


def _of_ensemble(place: Place, node: Ensemble) -> str:
    members = [_of(member) for member in children(place)]
    advised = "".join(f" -> {_of(adviser)}, reduce" for adviser in advisers(place))
    if node.hedge is not None:
        return f"reduce -> {f' | after {node.hedge.after:g} s '.join(members)}, reduce"
    if node.quorum is not None:
        return f"reduce -> [{', '.join(members)}], reduce when {node.quorum} agree{advised}"
    return f"chord([{', '.join(members)}], reduce{advised})"
