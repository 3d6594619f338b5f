"""What of a job does not depend on a step that is asked anew."""

from __future__ import annotations

from collections.abc import Iterator

from mirepoix.errors import NotFound
from mirepoix.paths import Place, find
from mirepoix.spec import Cascade, Chain, Pipeline, Route
from mirepoix.states import StepState
from mirepoix.views import TraceView
from pipelines.references import needs

BESIDE = ("tiers", "samples", "judges", "comparisons")
"""What a cascade asks of each tier."""


def steps_before(trace: TraceView, spec: Pipeline, path: str) -> list[str]:
    """The answered calls of `trace` that stay as they are when the step at `path`, and what follows, is asked anew.

    What follows are the links of a chain that refer to it, directly or not, later tiers, and what judges or sums up
    its answer. Raises NotFound.
    """
    if all(step.path != path for step in trace.steps):
        known = ", ".join(step.path for step in trace.steps)
        raise NotFound(f"job {trace.job} has no step {path!r}. Its steps: {known}.")
    anew = list(_anew(find(spec, path)))
    return [
        step.path
        for step in trace.steps
        if step.kind == "call"
        and step.state is StepState.SUCCEEDED
        and not any(step.path == root or step.path.startswith(f"{root}.") or root == "$" for root in anew)
    ]


def pins_of(trace: TraceView, spec: Pipeline, path: str | None = None) -> dict[str, str]:
    """The branches that the routes of `trace` took, by path; without those that are asked anew from `path` on."""
    anew = [] if path is None else list(_anew(find(spec, path)))
    return {
        step.path: step.decisions[-1].choice
        for step in trace.steps
        if step.kind == "route"
        and step.decisions
        and step.decisions[-1].choice.startswith("to.")
        and isinstance(find(spec, step.path).node, Route)
        and not any(step.path == root or step.path.startswith(f"{root}.") or root == "$" for root in anew)
    }


def _anew(place: Place) -> Iterator[str]:
    """The paths at and below which all is asked anew."""
    yield place.path
    here = place
    while here.parent is not None:
        above = here.parent
        match above.node:
            case Chain() as chain:
                for index in _followers(above, here.index):
                    yield _path_of(above, chain.steps[index].name or str(index))
            case Cascade() as cascade:
                yield from (_path_of(above, f"{kind}.{here.index}") for kind in ("judges", "comparisons"))
                for index in range(here.index + 1, len(cascade.tiers)):
                    yield from (_path_of(above, f"{kind}.{index}") for kind in BESIDE)
            case _:
                yield from (_path_of(above, adviser) for adviser in ("judge.0", "fuse.0"))
        here = above


def _followers(chain: Place, index: int) -> list[int]:
    """The links that refer to link `index`, directly or through others."""
    anew = {index}
    for number, needed in enumerate(needs(chain)):
        if needed & anew:
            anew.add(number)
    return sorted(anew - {index})


def _path_of(above: Place, token: str) -> str:
    return token if above.path == "$" else f"{above.path}.{token}"
