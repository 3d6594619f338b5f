"""The examples of `examples/patterns/` as `docs/patterns.md` shows them: what each is for, how it runs, and its trace.

`python -m tests.system.patterns` writes that page anew from real runs; `test_patterns.py` compares it with one.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from cli.main import app
from mirepoix.views import AttemptView, TraceView
from tests.system.world import World, open_world

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples" / "patterns").glob("*.yaml"))
PAGE = ROOT / "docs" / "patterns.md"
SECTIONS = ("providers", "models", "pipelines", "tenants")


@dataclass(frozen=True, slots=True)
class Example:
    """A file, the comment at its top, and the commands in that comment."""

    path: Path
    purpose: str
    commands: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """As `cascade_judge`."""
        return self.path.stem

    @property
    def pattern(self) -> str:
        """The node kind, or other subject, that it is an example of."""
        return self.name.partition("_")[0]


def read_example(path: Path) -> Example:
    """The example in `path`; its first comment is a purpose and, indented, `mirepoix submit …` lines."""
    comment = [line[1:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    words = [line.strip() for line in comment if line.strip() and not line.startswith("   ")]
    commands = [shlex.split(line, comments=True) for line in comment if line.strip().startswith("mirepoix submit ")]
    return Example(path, " ".join(words), tuple(tuple(command[1:]) for command in commands))


def merge(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """One configuration that holds all of them; raises ValueError where two give one name to different things."""
    whole: dict[str, dict[str, Any]] = {}
    for path in files:
        for section, entries in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            there = whole.setdefault(section, {})
            for name, entry in entries.items():
                if there.setdefault(name, entry) != entry:
                    raise ValueError(f"{path.name}: {section}.{name} is something else in another example.")
    return whole


@contextmanager
def open_examples(home: Path, files: Sequence[Path] = FILES) -> Iterator[World]:
    """A world whose workers serve every example."""
    config, whole = home / "mirepoix.yaml", merge(files)
    config.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    with open_world(home, config=config) as world:
        world.start_workers("orchestrate", *whole["providers"])
        yield world


def run_all(world: World, examples: Sequence[Example]) -> dict[str, list[TraceView]]:
    """Run every command of every example; the traces by the example's name."""
    with world.client() as client:
        return {
            example.name: [client.get(run(world, command)).trace() for command in example.commands]
            for example in examples
        }


def run(world: World, command: Sequence[str]) -> str:
    """Run `mirepoix submit …` in the repository, where its files are; the job may fail if the example shows that.

    In this process: to start one for each command would take most of the time. Returns the job's id.
    """
    words = [*command, *(() if "--wait" in command else ("--wait",)), "--json"]
    with chdir(ROOT):
        shown = CliRunner().invoke(app, words, env=dict(world.environ))
    assert shown.stdout.strip(), f"{command}: exit {shown.exit_code}: {shown.output} {shown.exception}"
    return str(json.loads(shown.stdout.splitlines()[-1])["job"])


def outline(trace: TraceView) -> list[str]:
    """The steps of a trace, with their decisions and calls, without what differs from run to run."""
    lines = [f"{trace.state}: {_short(trace.output if trace.error is None else trace.error)}"]
    depths: dict[str | None, int] = {None: 0}
    for step in trace.steps:
        depth = depths[step.path] = depths[step.parent] + 1
        indent = "  " * depth
        lines.append(f"{indent}{step.path} {step.kind} {step.state}")
        lines += [f"{indent}  - {decision.choice}: {decision.reason}" for decision in step.decisions]
        for call in step.calls:
            lines += [
                f"{indent}  - {call.provider}/{call.model} {attempt.error_kind or attempt.outcome}{_form(attempt)}"
                for attempt in call.attempts
            ]
    return lines


def page(examples: Sequence[Example], traces: Mapping[str, list[TraceView]]) -> str:
    """The whole of docs/patterns.md."""
    rows = [f"| {e.pattern} | [{e.name}](#{e.name}) | {e.purpose} |" for e in examples]
    parts = [HEAD, "| pattern | example | what it shows |", "|---|---|---|", *rows, ""]
    for example in examples:
        parts += [
            f"## {example.name}",
            "",
            f"{example.purpose} [{example.path.name}](../examples/patterns/{example.path.name})",
            "",
        ]
        for command, trace in zip(example.commands, traces[example.name], strict=True):
            parts += ["```console", f"$ mirepoix {shlex.join(command)}", *outline(trace), "```", ""]
    return "\n".join(parts).rstrip() + "\n"


def _form(attempt: AttemptView) -> str:
    """As what the JSON stood in the answer, where it was not the whole of it."""
    return f" as {attempt.form} JSON" if attempt.form not in (None, "whole") else ""


def _short(value: object) -> str:
    text = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    return text if len(text) <= 160 else text[:159] + "…"


HEAD = """# Patterns

Each example is a whole `mirepoix.yaml`. Run one against the emulator, without an API key, in two terminals:

    MIREPOIX_CONFIG=examples/patterns/NAME.yaml mirepoix up --emulate
    mirepoix submit …

Below each command stands what came of it in a test run, and its trace: the steps, what each decided and why, and which
models were called. `make patterns` writes this page from real runs, and a test compares it with one.
"""


def main() -> None:
    """Write the page from a run of all examples."""
    examples = [read_example(path) for path in FILES]
    with tempfile.TemporaryDirectory() as home, open_examples(Path(home)) as world:
        PAGE.write_text(page(examples, run_all(world, examples)), encoding="utf-8")


if __name__ == "__main__":
    main()
