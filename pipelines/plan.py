"""From a pipeline to the steps that the ledger keeps: who waits for whom.

A route, a map, an ensemble that may end early and a cascade with a policy begin with nothing below them; what they
choose is planned when they choose it, and so is every tier of a cascade but the first ones, and what its gates ask. The steps of a chain wait for those
that they refer to; where that is not simply the one before, they are `driven`: each begins at the moment when what it
needs is there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from mirepoix.paths import Place, child, children
from mirepoix.planned import PlannedStep
from mirepoix.spec import Call, Cascade, Chain, Ensemble, If, Map, Route
from pipelines.references import needs, runs_in_line


def plan(place: Place) -> list[PlannedStep]:
    """The steps of `place` and of all below it that are known before anything is decided, parents first."""
    node = place.node
    match node:
        case Call():
            return [_step(place, missing=0, model=node.model)]
        case Route() | Map() | If():
            return [_step(place, missing=0)]
        case Ensemble() if node.ends_early:
            return [_step(place, missing=0)]
        case Cascade():
            first = [step for tier in first_tiers(place) for step in plan(tier)]
            return [_step(place, missing=node.at_once), *first]
        case Ensemble():
            members = [step for member in children(place) for step in plan(member)]
            return [_step(place, missing=len(node.members)), *members]
        case Chain():
            return [_step(place, missing=len(node.steps)), *_plan_links(place)]


def plan_items(place: Place, width: int) -> list[PlannedStep]:
    """The steps of the first `width` items of the map at `place`.

    Of more than `at_once` items each later one waits for the end, whatever it is, of the one so many before it.
    """
    at_once = place.node.at_once if isinstance(place.node, Map) and place.node.at_once else width
    items = [child(place, index) for index in range(width)]
    waits = [(items[index - at_once], items[index]) for index in range(at_once, width)]
    return _wait([step for item in items for step in plan(item)], waits, driven=True)


def first_steps(place: Place) -> list[str]:
    """The paths of the steps with which the work on `place` begins."""
    match place.node:
        case Call() | Route() | Map() | If():
            return [place.path]
        case Cascade() if not place.node.at_once:
            return [place.path]
        case Cascade():
            return [path for tier in first_tiers(place) for path in first_steps(tier)]
        case Chain():
            return [path for link in first_links(place) for path in first_steps(link)]
        case Ensemble() if place.node.ends_early:
            return [place.path]
        case Ensemble():
            return [path for member in children(place) for path in first_steps(member)]


def first_tiers(place: Place) -> list[Place]:
    """The tiers of the cascade at `place` that are asked before it decides anything."""
    at_once = place.node.at_once if isinstance(place.node, Cascade) else 0
    return [child(place, index) for index in range(at_once)]


def first_links(place: Place) -> list[Place]:
    """The steps of the chain at `place` that need none of the others."""
    if runs_in_line(place):
        return [child(place, 0)]
    return [link for link, needed in zip(children(place), needs(place), strict=True) if not needed]


def _plan_links(place: Place) -> list[PlannedStep]:
    links = children(place)
    steps = [step for link in links for step in plan(link)]
    if runs_in_line(place):
        return _wait(steps, list(pairwise(links)), driven=False)
    needed_by = zip(links, needs(place), strict=True)
    waits = [(links[index], link) for link, needed in needed_by for index in sorted(needed)]
    return _wait(steps, waits, driven=True)


def _wait(steps: list[PlannedStep], waits: list[tuple[Place, Place]], *, driven: bool) -> list[PlannedStep]:
    """Let the first steps of the second place of each pair wait for the end of the first place."""
    by_path = {step.path: step for step in steps}
    for before, after in waits:
        fed = first_steps(after)
        by_path[before.path] = replace(by_path[before.path], feeds=(*by_path[before.path].feeds, *fed))
        for path in fed:
            step = by_path[path]
            by_path[path] = replace(step, missing=step.missing + 1, driven=step.driven or driven)
    return list(by_path.values())


def _step(place: Place, *, missing: int, model: str | None = None) -> PlannedStep:
    parent = place.parent.path if place.parent else None
    return PlannedStep(place.path, place.node.kind, parent, place.index, missing, model=model)
