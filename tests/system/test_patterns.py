"""Every example of examples/patterns/ runs through real workers and does what docs/patterns.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cli.setup import find_problems
from mirepoix.config_file import load_config
from mirepoix.views import TraceView
from tests.system.patterns import FILES, PAGE, Example, open_examples, outline, read_example, run_all

pytestmark = pytest.mark.system

EXAMPLES = [read_example(path) for path in FILES]
VARIES = ("ensemble_judge", "ensemble_quorum", "ensemble_hedge", "route_fastest")
"""Who comes first, or how answers are shuffled for a judge, differs from job to job."""
IN_TIME = re.compile(r"\d+(?:\.\d+)? s\b")
"""How long something took differs from run to run."""


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[TraceView]]]:
    """What came of each command."""
    with open_examples(tmp_path_factory.mktemp("patterns")) as world:
        yield run_all(world, EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_says_what_it_is_for_and_holds_together(example: Example) -> None:
    assert example.purpose
    assert example.commands
    assert find_problems(load_config(example.path), emulated=True) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs_as_the_page_shows(example: Example, traces: dict[str, list[TraceView]]) -> None:
    shown = PAGE.read_text(encoding="utf-8").split(f"\n## {example.name}\n")[1].split("\n## ")[0]
    blocks = [
        block.splitlines()[1:] for block in re.findall(r"^```console\n(.*?)^```", shown, re.DOTALL | re.MULTILINE)
    ]
    alike = _steps if example.name in VARIES else _timeless
    assert [alike(block) for block in blocks] == [alike(outline(trace)) for trace in traces[example.name]]


def _timeless(lines: list[str]) -> list[str]:
    return [IN_TIME.sub("… s", line.rstrip()) for line in lines]


def _steps(lines: list[str]) -> list[str]:
    """How the job ended, and its steps without how they did."""
    return [lines[0].partition(":")[0], *(line.rpartition(" ")[0] for line in lines[1:] if "- " not in line)]
