"""Pipelines drawn: every call has its box, boxes never lie on each other, and all of it is inside."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from mirepoix.config_file import load_config
from mirepoix.paths import walk
from mirepoix.spec import Call, Pipeline
from web.pages.graph import MOST_SHOWN, Box, Frame, draw

CONFIG = load_config(Path(__file__).parents[1] / "system" / "mirepoix.yaml")
ROUNDING = 1e-6


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share room."""
    beside = one.x + one.width <= other.x + ROUNDING or other.x + other.width <= one.x + ROUNDING
    return not (beside or one.y + one.height <= other.y + ROUNDING or other.y + other.height <= one.y + ROUNDING)


@pytest.mark.parametrize("name", sorted(CONFIG.pipelines))
def test_a_pipeline_is_drawn_whole_and_legibly(name: str) -> None:
    spec: Pipeline = CONFIG.pipelines[name]
    drawing = draw(spec, CONFIG)
    calls = [place for place in walk(spec) if isinstance(place.node, Call)]
    boxes = [box for box in drawing.boxes if box.kind == "call"]
    assert len(boxes) == len(calls) or any(box.kind == "more" for box in drawing.boxes)
    assert len(boxes) >= min(len(calls), MOST_SHOWN)
    assert not [(a, b) for a, b in combinations(drawing.boxes, 2) if overlap(a, b)]
    parts: list[Box | Frame] = [*drawing.boxes, *drawing.frames]
    for part in parts:
        assert part.x >= -ROUNDING, part
        assert part.y >= -ROUNDING, part
        assert part.x + part.width <= drawing.width + ROUNDING, part
        assert part.y + part.height <= drawing.height + ROUNDING, part
    for arrow in drawing.arrows:
        assert 0 <= arrow.x1 <= arrow.x2 + ROUNDING <= drawing.width + 2 * ROUNDING, arrow
        assert min(arrow.y1, arrow.y2) >= 0, arrow
        assert max(arrow.y1, arrow.y2) <= drawing.height, arrow


def test_steps_that_wait_for_each_other_stand_in_columns() -> None:
    drawing = draw(CONFIG.pipelines["side_by_side"], CONFIG)
    captions = {frame.caption: frame for frame in drawing.frames}
    assert captions["facts"].x == captions["tone"].x
    assert captions["text"].x > captions["more"].x or captions["text"].x > captions["facts"].x
    assert captions["closing"].x > captions["work"].x + captions["work"].width - ROUNDING
