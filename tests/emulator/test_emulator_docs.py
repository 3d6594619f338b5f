"""Every command, scenario and test that docs/emulator.md shows does what it says, through the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from emulator import FaultKind

DOCUMENT = Path(__file__).parents[2] / "docs" / "emulator.md"
ADDRESS = "http://127.0.0.1:8900"
MIREPOIX = [sys.executable, "-P", "-m", "cli"]
ENVIRON = {key: value for key, value in os.environ.items() if not key.startswith("MIREPOIX_")}


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return found


def shell_lines(program: str) -> list[list[str]]:
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    return [words for words in lines if words[0] == program]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and the document's scenario."""
    folder = tmp_path_factory.mktemp("home")
    subprocess.run([*MIREPOIX, "init"], cwd=folder, env=ENVIRON, check=True, capture_output=True, timeout=60)
    (scenario,) = blocks("yaml")
    (folder / "scenario.yaml").write_text(scenario)
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """Where the emulator listens that the document starts; on a free port rather than on its own."""
    ((_, *arguments),) = shell_lines("mirepoix")
    process = subprocess.Popen(
        [*MIREPOIX, *arguments, "--port", "0", "--json"], cwd=home, env=ENVIRON, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address: str = json.loads(process.stdout.readline())["emulator_url"]
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as patient:
            patient.get(f"{address}/_health").raise_for_status()
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=20)


def curl(words: list[str], url: str) -> str:
    command = [word.replace(ADDRESS, url) for word in words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def test_the_commands_do_what_is_said(url: str, home: Path) -> None:
    ask, rows, set_faults, show, clear = shell_lines("curl")
    two = [json.loads(curl(ask, url)) for _ in range(2)]
    assert [answer["error"]["code"] for answer in two] == ["rate_limit_exceeded"] * 2, "as the scenario has it"
    assert json.loads(curl(ask, url))["choices"][0]["message"]["content"] == "Paris"
    assert [row["outcome"] for row in json.loads(curl(rows, url))["rows"]] == ["status_429", "status_429", "ok"]
    assert json.loads(curl(set_faults, url))["faults"][0]["struck"] == 0
    with pytest.raises(subprocess.CalledProcessError):
        curl(ask, url)
    assert json.loads(curl(show, url))["faults"][0]["struck"] == 1
    assert json.loads(curl(clear, url)) == {"faults": []}
    assert json.loads(curl(ask, url))["choices"]
    assert json.loads(curl(rows, url))["rows"][3]["billed"]
    assert (home / "bill.sqlite3").exists()


def test_each_kind_of_fault_is_told(home: Path) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| (yes|no) \|$", DOCUMENT.read_text(), re.MULTILINE))
    assert told == {kind.value: "no" if kind.spares_the_model else "yes" for kind in FaultKind}


def test_the_test_that_is_shown_passes(tmp_path: Path) -> None:
    (shown,) = blocks("python")
    (tmp_path / "test_shown.py").write_text(shown)
    root = str(DOCUMENT.parents[1])
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(run, cwd=root, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_scenario_ends_the_command_before_it_listens(home: Path, tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("faults:\n- {kind: drop, tims: 1}")
    run = [*MIREPOIX, "emulator", "--port", "0", "--json", "--scenario", str(tmp_path / "scenario.yaml")]
    done = subprocess.run(run, cwd=home, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "scenario.yaml:2: faults.0: unknown key 'tims'. Did you mean 'times'?" in done.stderr
    assert "Traceback" not in done.stderr
