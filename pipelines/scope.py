"""What a step may refer to: the names that its prompt sees, and the steps they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from mirepoix.paths import Place, child, judged
from mirepoix.spec import Chain, If, Map


@dataclass(frozen=True, slots=True)
class Scope:
    """`names` maps each visible step name to a path. `previous` are the paths of the steps before, the nearest first.

    Those among `optional` may be passed over; the first that was not is the one before. Where there is none, it is the
    item, inside the map at `items_of`, and else the job's input. `item` is the index. `judged` are the tiers whose
    answers a judge sees.
    """

    names: dict[str, str]
    previous: tuple[str, ...]
    optional: frozenset[str]
    items_of: Place | None
    item: int | None
    judged: tuple[Place, ...] = ()

    @property
    def paths(self) -> set[str]:
        """The steps whose outputs the prompt may need."""
        return {*self.names.values(), *self.previous, *(tier.path for tier in self.judged)}


def scope_of(place: Place) -> Scope:
    """Look upwards from `place`: earlier steps of every chain around it, the nearest one first."""
    names: dict[str, str] = {}
    previous: list[str] = []
    optional: set[str] = set()
    previous_known = False
    items_of: Place | None = None
    item: int | None = None
    here = place
    while here.parent is not None:
        if isinstance(here.parent.node, Chain):
            for before in (child(here.parent, index) for index in reversed(range(here.index))):
                if before.node.name:
                    names.setdefault(before.node.name, before.path)
                if not previous_known:
                    previous.append(before.path)
                    previous_known = not isinstance(before.node, If)
                    if not previous_known:
                        optional.add(before.path)
        if isinstance(here.parent.node, Map) and items_of is None:
            items_of, item, previous_known = here.parent, here.index, True
        here = here.parent
    return Scope(names, tuple(previous), frozenset(optional), items_of, item, judged(place))
