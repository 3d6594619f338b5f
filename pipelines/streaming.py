"""Whether a call's text is its job's output as it comes, so that it may be told while it comes."""

from __future__ import annotations

from mirepoix.paths import Place
from mirepoix.spec import Call, Chain, If, Route


def speaks_for_the_job(place: Place) -> bool:
    """Whether the text of the call at `place` becomes the job's output unchanged.

    It does at the root, below routes and conditions, and as the last step of a chain; not where something decides
    about it later, and not when a schema makes a value of it.
    """
    node = place.node
    return isinstance(node, Call) and node.schema_ is None and node.tools is None and _is_handed_up(place)


def _is_handed_up(place: Place) -> bool:
    above = place.parent
    if above is None:
        return True
    last = isinstance(above.node, Chain) and place.index == len(above.node.steps) - 1
    return (last or isinstance(above.node, (Route, If))) and _is_handed_up(above)
