"""What a step may refer to: the names that its prompt sees, and the steps they stand for."""

from __future__ import annotations

from dataclasses import dataclass

from mirepoix.paths import Place, child, judged
from mirepoix.spec import Chain, Map


@dataclass(frozen=True, slots=True)
class Scope:
    """`names` maps each visible step name to a path. `previous` is the path of the step before, or None.

    With `previous` None it is the item, inside the map at `items_of`, and else the job's input. `item` is the index.
    `judged` is the tier whose answer a judge sees.
    """

    names: dict[str, str]
    previous: str | None
    items_of: Place | None
    item: int | None
    judged: Place | None = None

    @property
    def paths(self) -> set[str]:
        """The steps whose outputs the prompt may need."""
        judged = [self.judged.path] if self.judged else []
        return {*self.names.values(), *([self.previous] if self.previous else []), *judged}


def scope_of(place: Place) -> Scope:
    """Look upwards from `place`: earlier steps of every chain around it, the nearest one first."""
    names: dict[str, str] = {}
    previous: str | None = None
    previous_known = False
    items_of: Place | None = None
    item: int | None = None
    here = place
    while here.parent is not None:
        if isinstance(here.parent.node, Chain):
            for before in (child(here.parent, index) for index in range(here.index)):
                if before.node.name:
                    names.setdefault(before.node.name, before.path)
            if here.index > 0 and not previous_known:
                previous, previous_known = child(here.parent, here.index - 1).path, True
        if isinstance(here.parent.node, Map) and items_of is None:
            items_of, item, previous_known = here.parent, here.index, True
        here = here.parent
    return Scope(names, previous, items_of, item, judged(place))
