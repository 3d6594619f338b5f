"""Every command and every example that the documents show does what they say."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.setup import find_problems
from mirepoix.config_file import parse_config
from tests.system.test_up import command, up

pytestmark = [pytest.mark.system, pytest.mark.embedded]

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
WITH_OWN_CONFIG = [path for path in DOCUMENTS if (path.parent / "mirepoix.yaml").exists()]
"""Documents of an example whose commands are for its own folder."""
ANYWHERE = [path for path in DOCUMENTS if path not in WITH_OWN_CONFIG]
RUNS_UNTIL_STOPPED = ("up", "worker", "flower", "web", "emulator")


def blocks(language: str, documents: Sequence[Path] = DOCUMENTS) -> list[str]:
    """The fenced blocks of `language` in `documents`."""
    found = [
        re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE) for path in documents
    ]
    return [block for each in found for block in each]


def shell_lines(documents: Sequence[Path] = DOCUMENTS) -> list[list[str]]:
    """The commands of all shell blocks, split into words."""
    return [shlex.split(line) for block in blocks("sh", documents) for line in block.splitlines() if line.strip()]


def commands_in(documents: Sequence[Path]) -> list[list[str]]:
    """What they show of `mirepoix`, but for what runs until it is stopped."""
    shown = [words[1:] for words in shell_lines(documents) if words[0] == "mirepoix"]
    return [words for words in shown if words[0] not in RUNS_UNTIL_STOPPED]


def test_each_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)", path.read_text())}
    named |= {words[1] for words in shell_lines() if words[0] == "make"}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_each_link_between_documents_leads_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_each_configuration_that_the_readme_shows_is_one() -> None:
    shown = blocks("yaml", [ROOT / "README.md"])
    assert shown
    for text in shown:
        assert find_problems(parse_config(text), emulated=True) == []


def test_each_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for name in re.findall(r"`((?:mirepoix|pipelines|db|tasks|workers|cli|emulator|tests)/[\w/.]*)`", text):
        assert (ROOT / name).exists(), name


def test_each_option_of_a_command_that_runs_until_stopped_is_known(tmp_path: Path) -> None:
    shown = [words for words in shell_lines() if words[0] == "mirepoix" and words[1] in RUNS_UNTIL_STOPPED]
    assert shown
    for words in shown:
        usage = command(tmp_path, words[1], "--help").stdout
        assert all(word in usage for word in words[2:] if word.startswith("-")), words


def test_the_commands_and_the_python_example_of_the_readme_run(tmp_path: Path) -> None:
    lines = commands_in(ANYWHERE)
    before = [words for words in lines if words[0] in ("init", "check")]
    during = [words for words in lines if words not in before]
    assert before
    assert len(during) >= 6
    for words in before:
        done = command(tmp_path, *words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
    with up(tmp_path, "--emulate", "--time-scale", "0.05", "--flower-port", "0"):
        for words in during:
            done = command(tmp_path, *words)
            assert done.returncode == 0, f"{words}: {done.stderr}"
            assert done.stdout.strip(), words
        for example in blocks("python", [ROOT / "README.md"]):
            assert len(example.splitlines()) <= 30
            done = subprocess.run(
                [sys.executable, "-P", "-c", example],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "verdict ensemble succeeded" in done.stdout


@pytest.mark.parametrize("document", WITH_OWN_CONFIG, ids=lambda path: path.parent.name)
def test_the_commands_of_an_example_with_a_configuration_of_its_own_run(tmp_path: Path, document: Path) -> None:
    home = tmp_path / document.parent.name
    shutil.copytree(document.parent, home)
    lines = commands_in([document])
    assert lines
    with up(home, "--emulate", "--time-scale", "0.05", "--flower-port", "0"):
        for words in lines:
            done = command(home, *words)
            assert done.returncode == 0, f"{words}: {done.stderr}"
            assert done.stdout.strip(), words
