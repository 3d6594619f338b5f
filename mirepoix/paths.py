"""Where a node stands in its pipeline: `analyse.members.1` is the second member of the ensemble `analyse`.

The root is `$`. Below it, a chain's step goes by its name or index, and the others by what they hold:
`to.0` (route), `tiers.0` (cascade), `members.0` (ensemble), `items.0` (map), `then.0` (if). Beside a tier, `judges.0`
judges its answer, `samples.0.1` asks it a second time, and `comparisons.1.0` compares the answers of tiers 1 and 0. The
model that an ensemble asks about its members' answers is at `judge.0` or `fuse.0`. Paths are the keys of steps in the
ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mirepoix.errors import NotFound, PipelineError
from mirepoix.spec import Call, Cascade, Chain, Comparison, Ensemble, Gates, If, Map, Pipeline, Route

ROOT = "$"
ACCEPTANCE = "@"
"""In place of a path: what was decided of a job before it had steps."""
MAX_DEPTH = 32
FIELDS = {"chain": "steps", "route": "to", "cascade": "tiers", "ensemble": "members", "map": "each", "if": "then"}
"""In which field of its parent a node stands."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node and where it stands: its own path, its parent's place, and its index among its siblings."""

    path: str
    node: Pipeline
    parent: Place | None = None
    index: int = 0

    @property
    def depth(self) -> int:
        """0 for the root."""
        return 0 if self.parent is None else self.parent.depth + 1


def root(spec: Pipeline) -> Place:
    """The place of the whole pipeline."""
    return Place(ROOT, spec)


def children(place: Place) -> list[Place]:
    """The places right below `place`; none for a call, and none for a map, whose items are known only at run time."""
    node = place.node
    match node:
        case Call() | Map():
            return []
        case Chain():
            return [child(place, index) for index in range(len(node.steps))]
        case Route():
            return [child(place, index) for index in range(len(node.to))]
        case Cascade():
            return [child(place, index) for index in range(len(node.tiers))]
        case Ensemble():
            return [child(place, index) for index in range(len(node.members))]
        case If():
            return [child(place, 0)]


def advisers(place: Place) -> list[Place]:
    """The places of the models that the node at `place` may ask about what its children answered, behind these."""
    node = place.node
    if not isinstance(node, Ensemble):
        return []
    return [
        Place(_join(place.path, f"{name}.0"), adviser.call(), place, len(node.members) + index)
        for index, (name, adviser) in enumerate(node.advisers)
    ]


def is_adviser(place: Place) -> bool:
    """Whether the node around `place` asks it about what its children answered."""
    return place.parent is not None and any(place.path == adviser.path for adviser in advisers(place.parent))


def child(place: Place, index: int) -> Place:
    """The place of the child number `index`; of any item for a map."""
    node = place.node
    match node:
        case Call():
            raise NotFound(f"step {place.path!r} is a call; it has nothing below it.")
        case Chain():
            step = node.steps[index]
            return Place(_join(place.path, step.name or str(index)), step, place, index)
        case Route():
            return Place(_join(place.path, f"to.{index}"), node.to[index].then, place, index)
        case Cascade():
            return Place(_join(place.path, f"tiers.{index}"), node.tiers[index], place, index)
        case Ensemble():
            return Place(_join(place.path, f"members.{index}"), node.members[index], place, index)
        case Map():
            return Place(_join(place.path, f"items.{index}"), node.each, place, index)
        case If():
            return Place(_join(place.path, "then.0"), node.then, place, 0)


def judge_of(place: Place, tier: int) -> Place:
    """The call that judges the answer of that tier of the cascade at `place`. Raises NotFound."""
    gates = _gates(place, tier)
    if gates.judge is None:
        raise NotFound(f"step {place.path!r} has no judge.")
    return Place(_join(place.path, f"judges.{tier}"), gates.judge.call, place, tier)


def samples_of(place: Place, tier: int) -> list[Place]:
    """That tier of the cascade at `place` asked again, as often as its gate `consistency` wants. Raises NotFound."""
    gates = _gates(place, tier)
    if gates.consistency is None:
        raise NotFound(f"step {place.path!r} asks for no samples.")
    node, wanted = child(place, tier).node, gates.consistency
    if isinstance(node, Call) and wanted.temperature is not None:
        node = node.model_copy(update={"temperature": wanted.temperature})
    paths = [_join(place.path, f"samples.{tier}.{number}") for number in range(1, wanted.samples)]
    return [Place(path, node, place, tier) for path in paths]


def comparison_of(place: Place, tier: int, other: int) -> Place:
    """The call that compares the answer of that tier of the cascade at `place` with an `other`'s. Raises NotFound."""
    node = place.node
    judge = _comparing(node)
    if not isinstance(node, Cascade) or judge is None or not 0 <= other < tier < len(node.tiers):
        raise NotFound(f"step {place.path!r} does not compare tiers {tier} and {other}.")
    return Place(_join(place.path, f"comparisons.{tier}.{other}"), judge.call, place, tier)


def comparisons_of(place: Place, tier: int) -> list[Place]:
    """The calls that may compare the answer of that tier of the cascade at `place` with those before; often none."""
    return [comparison_of(place, tier, other) for other in range(tier)] if _comparing(place.node) is not None else []


def judged(place: Place) -> tuple[Place, ...]:
    """The tiers whose answers the call at `place` judges, or compares; none where that is not its work."""
    above = place.parent
    if above is None or not isinstance(above.node, Cascade):
        return ()
    kind, *numbers = (place.path if above.path == ROOT else place.path.removeprefix(f"{above.path}.")).split(".")
    return tuple(child(above, int(number)) for number in numbers) if kind in ("judges", "comparisons") else ()


def find(spec: Pipeline, path: str) -> Place:
    """The place that `path` names; raises NotFound."""
    place = root(spec)
    tokens = [] if path == ROOT else path.split(".")
    while tokens:
        place = _descend(place, tokens, path)
    return place


def walk(spec: Pipeline) -> Iterator[Place]:
    """Every place of the pipeline, parents first; a map's body once, as item 0, and a judge as that of the first tiers.

    Raises PipelineError when too deep.
    """
    yield from walk_below(root(spec))


def walk_below(place: Place) -> Iterator[Place]:
    """As `walk`, of the part of a pipeline that begins at `place`."""
    waiting = [place]
    while waiting:
        place = waiting.pop()
        if place.depth > MAX_DEPTH:
            raise PipelineError(f"step {place.path!r} is nested more than {MAX_DEPTH} levels deep; split the pipeline.")
        yield place
        below = [child(place, 0)] if isinstance(place.node, Map) else children(place)
        waiting.extend(reversed([*below, *_judges(place), *advisers(place)]))


def location(place: Place) -> tuple[str | int, ...]:
    """The keys and indices that lead from the top of the pipeline to `place`, as YAML may spell them, or more."""
    if place.parent is None:
        return ()
    if seen := judged(place):
        judge = ("gates", "judge") if len(seen) == 1 else ("agreement", "by", "judge")
        return (*location(place.parent), "cascade", "accept", *judge)
    kind = place.parent.node.kind
    if is_adviser(place):
        return (*location(place.parent), kind, *_adviser_location(place, place.parent.node))
    field = FIELDS[kind]
    index = () if kind in ("map", "if") else (place.index,)
    return (*location(place.parent), kind, field, *index, "then")


def _adviser_location(place: Place, node: Pipeline) -> tuple[str, str]:
    name = place.path.split(".")[-2]
    tied = isinstance(node, Ensemble) and node.tie is not None and name == "judge"
    return "tie" if tied else "reduce", name


def _join(path: str, token: str) -> str:
    return token if path == ROOT else f"{path}.{token}"


def _descend(place: Place, tokens: list[str], path: str) -> Place:
    """Go one level down, taking the tokens of that level off the front of `tokens`."""
    if isinstance(place.node, Map):
        taken = f"{tokens.pop(0)}.{tokens[0]}" if len(tokens) > 1 else ""
        if taken.startswith("items.") and tokens[0].isdecimal():
            return child(place, int(tokens.pop(0)))
        raise NotFound(f"no step {path!r} in this pipeline: {place.path!r} has items.")
    if isinstance(place.node, Cascade) and tokens[0] in ("judges", "samples", "comparisons"):
        return _beside_tier(place, tokens)
    width = 1 if isinstance(place.node, Chain) else 2
    target, tokens[:] = ".".join(tokens[:width]), tokens[width:]
    for below in (*children(place), *advisers(place)):
        if below.path == _join(place.path, target):
            return below
    raise NotFound(f"no step {path!r} in this pipeline: nothing called {target!r} below {place.path!r}.")


def _gates(place: Place, tier: int) -> Gates:
    """The gates of the cascade at `place`, when it has such a tier; raises NotFound."""
    node = place.node
    if not isinstance(node, Cascade) or node.accept.gates is None or not 0 <= tier < len(node.tiers):
        raise NotFound(f"step {place.path!r} has no gates for a tier {tier}.")
    return node.accept.gates


def _judges(place: Place) -> list[Place]:
    node = place.node
    has_judge = isinstance(node, Cascade) and node.accept.gates is not None and node.accept.gates.judge is not None
    judges = [judge_of(place, 0)] if has_judge else []
    return judges if _comparing(node) is None else [*judges, comparison_of(place, 1, 0)]


def _comparing(node: Pipeline) -> Comparison | None:
    """Who compares the answers of the tiers of `node`; None where nobody is asked, or there is nothing to compare."""
    if not isinstance(node, Cascade) or node.accept.agreement is None or len(node.tiers) < 2:
        return None
    return node.accept.agreement.by.judge


def _beside_tier(cascade: Place, tokens: list[str]) -> Place:
    """Take `judges.N`, `samples.N.K` or `comparisons.N.M` off the front of `tokens`; raises NotFound."""
    kind, *numbers = tokens[: 2 if tokens[0] == "judges" else 3]
    del tokens[: 1 + len(numbers)]
    if all(number.isdecimal() for number in numbers):
        if kind == "judges" and len(numbers) == 1:
            return judge_of(cascade, int(numbers[0]))
        if kind == "comparisons" and len(numbers) == 2:
            return comparison_of(cascade, *map(int, numbers))
        if kind == "samples" and len(numbers) == 2:
            found = [place for place in samples_of(cascade, int(numbers[0])) if place.path.endswith(f".{numbers[1]}")]
            if found:
                return found[0]
    raise NotFound(f"no step {'.'.join((kind, *numbers))!r} below {cascade.path!r}.")
