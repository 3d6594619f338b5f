"""From a pipeline to the steps that the ledger keeps: who waits for whom.

A route, a map, and an ensemble that may end early begin with nothing below them; what they choose is planned when they
choose it, and so is every tier of a cascade but the first.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from mirepoix.paths import Place, child, children
from mirepoix.planned import PlannedStep
from mirepoix.spec import Call, Cascade, Chain, Ensemble, Map, Route


def plan(place: Place) -> list[PlannedStep]:
    """The steps of `place` and of all below it that are known before anything is decided, parents first."""
    node = place.node
    match node:
        case Call():
            return [_step(place, missing=0, model=node.model)]
        case Route() | Map():
            return [_step(place, missing=0)]
        case Ensemble() if node.ends_early:
            return [_step(place, missing=0)]
        case Cascade():
            return [_step(place, missing=1), *plan(child(place, 0))]
        case Ensemble():
            members = [step for member in children(place) for step in plan(member)]
            return [_step(place, missing=len(node.members)), *members]
        case Chain():
            return [_step(place, missing=len(node.steps)), *_plan_links(children(place))]


def first_steps(place: Place) -> list[str]:
    """The paths of the steps with which the work on `place` begins."""
    match place.node:
        case Call() | Route() | Map():
            return [place.path]
        case Cascade() | Chain():
            return first_steps(child(place, 0))
        case Ensemble() if place.node.ends_early:
            return [place.path]
        case Ensemble():
            return [path for member in children(place) for path in first_steps(member)]


def _plan_links(links: list[Place]) -> list[PlannedStep]:
    """Plan the steps of a chain; each link feeds the first steps of the one after it."""
    planned = plan(links[0])
    for before, link in pairwise(links):
        fed = first_steps(link)
        planned = [replace(step, feeds=tuple(fed)) if step.path == before.path else step for step in planned]
        planned += [replace(step, missing=step.missing + 1) if step.path in fed else step for step in plan(link)]
    return planned


def _step(place: Place, *, missing: int, model: str | None = None) -> PlannedStep:
    parent = place.parent.path if place.parent else None
    return PlannedStep(place.path, place.node.kind, parent, place.index, missing, model=model)
