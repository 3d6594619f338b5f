"""A pipeline drawn from left to right: boxes, frames around what belongs together, and arrows.

Every node becomes a `Drawing` of its own, with an entry on its left and an exit on its right at mid height; a node
that holds others places their drawings and joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mirepoix.config import Config
from mirepoix.paths import Place, advisers, child, children, root
from mirepoix.spec import Branch, Call, Cascade, Chain, Ensemble, If, Map, Pipeline, Route
from pipelines.references import needs, runs_in_line

BOX_WIDTH, BOX_HEIGHT = 148.0, 44.0
GAP, ROW_GAP, PADDING, CAPTION = 56.0, 22.0, 12.0, 20.0
LONGEST = 21
MOST_SHOWN = 12
"""Of the members or items of one node; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Box:
    """What is asked or decided, on one or two lines; `kind` is its colour."""

    x: float
    y: float
    kind: str
    title: str
    note: str = ""
    width: float = BOX_WIDTH
    height: float = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Frame:
    """A border around what belongs together, with a caption."""

    x: float
    y: float
    width: float
    height: float
    caption: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one point to another; `label` stands before its end. Dashed: only when it must; without `head`: goes on."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""
    dashed: bool = False
    head: bool = True

    @property
    def curve(self) -> str:
        """As SVG's path data."""
        middle = (self.x1 + self.x2) / 2
        return f"M{self.x1:g} {self.y1:g}C{middle:g} {self.y1:g} {middle:g} {self.y2:g} {self.x2:g} {self.y2:g}"


@dataclass(slots=True)
class Drawing:
    """What stands where, from (0, 0); arrows come in at (0, `middle`) and go out at (`width`, `middle`)."""

    width: float
    height: float
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The height of entry and exit."""
        return self.height / 2

    def put(self, other: Drawing, x: float, y: float) -> None:
        """Place all of `other` with its corner at (x, y)."""
        for box in other.boxes:
            self.boxes.append(Box(box.x + x, box.y + y, box.kind, box.title, box.note, box.width, box.height))
        for frame in other.frames:
            self.frames.append(Frame(frame.x + x, frame.y + y, frame.width, frame.height, frame.caption))
        for arrow in other.arrows:
            moved = (arrow.x1 + x, arrow.y1 + y, arrow.x2 + x, arrow.y2 + y)
            self.arrows.append(Arrow(*moved, arrow.label, arrow.dashed, arrow.head))


def draw(spec: Pipeline, config: Config | None = None) -> Drawing:
    """The whole pipeline; with `config`, each call says which provider it goes to."""
    return _Artist(config).node(root(spec))


@dataclass(frozen=True, slots=True)
class _Artist:
    config: Config | None

    def node(self, place: Place) -> Drawing:
        """What stands at `place`."""
        node = place.node
        match node:
            case Call():
                return self._call(node)
            case Chain():
                return self._chain(place)
            case Route():
                return self._route(place, node)
            case Cascade():
                return self._cascade(place, node)
            case Ensemble():
                return self._ensemble(place, node)
            case Map():
                most = f", {node.at_once} at once" if node.at_once else ""
                return _framed(self.node(child(place, 0)), f"for each item{most}")
            case If():
                return _framed(self.node(child(place, 0)), _short(f"when {node.when}", 40))

    def _call(self, call: Call) -> Drawing:
        known = self.config is not None and call.model in self.config.models
        provider = self.config.provider_of(call.model) if self.config is not None and known else ""
        return _box("call", call.model, provider)

    def _chain(self, place: Place) -> Drawing:
        links = children(place)
        parts = [_named(self.node(link), link) for link in links]
        if runs_in_line(place):
            return _in_line(parts)
        return _side_by_side(parts, needs(place))

    def _route(self, place: Place, route: Route) -> Drawing:
        parts = [_named(self.node(branch), branch) for branch in children(place)]
        labels = [_condition(branch) for branch in route.to]
        return _fan(_box("decide", f"route by {route.by}"), parts, None, labels)

    def _cascade(self, place: Place, cascade: Cascade) -> Drawing:
        parts: list[Drawing] = []
        for index, tier in enumerate(children(place)):
            gate = _box("decide", "gate", _asked_of(cascade, index))
            parts += [_named(self.node(tier), tier), gate]
        judge = cascade.accept.gates.judge if cascade.accept.gates else None
        drawing = _in_line(parts, escalates=True)
        comparing = cascade.accept.agreement.by.judge if cascade.accept.agreement else None
        asked = [f"{what} by {one.model}" for what, one in (("judged", judge), ("compared", comparing)) if one]
        return _framed(drawing, f"cascade, {' and '.join(asked)}" if asked else "cascade: the next tier where not")

    def _ensemble(self, place: Place, ensemble: Ensemble) -> Drawing:
        parts = [_named(self.node(member), member) for member in children(place)[:MOST_SHOWN]]
        if len(ensemble.members) > MOST_SHOWN:
            parts.append(_box("more", f"and {len(ensemble.members) - MOST_SHOWN} more"))
        way = type(ensemble.reduce.way).__name__.lower()
        note = f"when {ensemble.quorum} agree" if ensemble.quorum else f"{ensemble.needed} must answer"
        end = _box("decide", f"reduce: {way}", f"next after {ensemble.hedge.after:g} s" if ensemble.hedge else note)
        for adviser in advisers(place):
            end = _in_line([end, _framed(self.node(adviser), "asked about the answers")])
        return _fan(_box("decide", "ask all"), parts, end, [""] * len(parts))


def _asked_of(cascade: Cascade, tier: int) -> str:
    """What the gate behind that tier wants to know."""
    if cascade.policy is not None:
        return f"policy {cascade.policy.learned}"
    if cascade.accept.agreement is not None and cascade.accept.by_agreement_alone:
        return f"do {cascade.accept.agreement.of} agree?"
    return f"sure of {cascade.accept.threshold(tier):g}?"


def _box(kind: str, title: str, note: str = "") -> Drawing:
    return Drawing(BOX_WIDTH, BOX_HEIGHT, [Box(0, 0, kind, _short(title), _short(note, 26))])


def _framed(inner: Drawing, caption: str) -> Drawing:
    """The caption's room is above and, so that the middle stays the middle, below."""
    width, height = max(inner.width + 2 * PADDING, 7 * len(caption) + 16), inner.height + 2 * CAPTION
    outer = Drawing(width, height, frames=[Frame(0, 0, width, height, caption)])
    outer.put(inner, PADDING, CAPTION)
    outer.arrows.append(Arrow(0, outer.middle, PADDING, outer.middle, head=False))
    outer.arrows.append(Arrow(inner.width + PADDING, outer.middle, width, outer.middle, head=False))
    return outer


def _named(drawing: Drawing, place: Place) -> Drawing:
    return _framed(drawing, _short(place.node.name, 40)) if place.node.name else drawing


def _in_line(parts: Sequence[Drawing], *, escalates: bool = False) -> Drawing:
    """One after the other; where the line `escalates`, an arrow out of every second part is taken only when it must."""
    height = max(part.height for part in parts)
    line = Drawing(sum(part.width for part in parts) + GAP * (len(parts) - 1), height)
    x = 0.0
    for index, part in enumerate(parts):
        line.put(part, x, line.middle - part.middle)
        x += part.width
        if index < len(parts) - 1:
            unsure = escalates and index % 2 == 1
            line.arrows.append(Arrow(x, line.middle, x + GAP, line.middle, "no" if unsure else "", dashed=unsure))
        x += GAP
    return line


def _fan(start: Drawing, parts: Sequence[Drawing], end: Drawing | None, labels: Sequence[str]) -> Drawing:
    """From `start` to each part, one below the other, and from there to `end`."""
    widest = max(part.width for part in parts)
    tall = sum(part.height for part in parts) + ROW_GAP * (len(parts) - 1)
    room = GAP + max(7.0 * len(label) for label in labels)
    whole = Drawing(start.width + room + widest + (GAP + end.width if end else GAP), max(tall, start.height))
    if end is not None:
        whole.height = max(whole.height, end.height)
    whole.put(start, 0, whole.middle - start.middle)
    left, right = start.width + room, start.width + room + widest
    y = whole.middle - tall / 2
    for part, label in zip(parts, labels, strict=True):
        whole.put(part, left, y)
        at = y + part.middle
        whole.arrows.append(Arrow(start.width, whole.middle, left, at, label))
        whole.arrows.append(Arrow(left + part.width, at, right + GAP, whole.middle, head=end is not None))
        y += part.height + ROW_GAP
    if end is not None:
        whole.put(end, right + GAP, whole.middle - end.middle)
    return whole


def _side_by_side(parts: Sequence[Drawing], needed: Sequence[frozenset[int]]) -> Drawing:
    """In columns: each part right of all that it waits for."""
    column: list[int] = []
    for before in needed:
        column.append(1 + max((column[index] for index in before), default=-1))
    groups = [[index for index, at in enumerate(column) if at == here] for here in range(max(column) + 1)]
    tall = [sum(parts[index].height for index in group) + ROW_GAP * (len(group) - 1) for group in groups]
    widths = [max(parts[index].width for index in group) for group in groups]
    whole = Drawing(sum(widths) + GAP * (len(groups) + 1), max(tall))
    corners: dict[int, tuple[float, float]] = {}
    x = GAP
    for group, width, height in zip(groups, widths, tall, strict=True):
        y = whole.middle - height / 2
        for index in group:
            corners[index] = (x, y)
            whole.put(parts[index], x, y)
            y += parts[index].height + ROW_GAP
        x += width + GAP
    awaited = {index for before in needed for index in before}
    for index, before in enumerate(needed):
        into = (corners[index][0], corners[index][1] + parts[index].middle)
        sources = [(corners[one][0] + parts[one].width, corners[one][1] + parts[one].middle) for one in sorted(before)]
        for source in sources or [(0.0, whole.middle)]:
            whole.arrows.append(Arrow(*source, *into))
        if index not in awaited:
            whole.arrows.append(Arrow(into[0] + parts[index].width, into[1], whole.width, whole.middle, head=False))
    return whole


def _condition(branch: Branch) -> str:
    if branch.below is not None:
        return f"below {branch.below:g}"
    if branch.task is not None:
        return _short(branch.task, 16)
    if branch.private:
        return "private"
    return f"like {len(branch.examples)} examples" if branch.examples else "else"


def _short(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
