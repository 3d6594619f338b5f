"""Forked processes are what new ones would be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import processes

SHOW = "tests.showing"
FIRST, SECOND = {"TOLD": "one"}, {"TOLD": "two"}


def show(folder: Path, *arguments: str, environ: dict[str, str]) -> dict[str, Any]:
    """What a process says of itself."""
    done = processes.run(
        SHOW, "show", *arguments, environ=os.environ | environ, folder=folder, stdin="read me", timeout=60
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr == "at the end\n", "what is registered for the interpreter's end runs"
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def new(folder: Path, *arguments: str, environ: dict[str, str]) -> dict[str, Any]:
    """What a process that is started anew says of itself."""
    command = [sys.executable, "-P", "-m", SHOW, "show", *arguments]
    env = os.environ | environ
    done = subprocess.run(
        command,
        env=env,
        cwd=folder,
        input="read me",
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_fork_is_as_a_new_process_is(tmp_path: Path) -> None:
    forked, started = (each(tmp_path, "a", "b", environ=FIRST) for each in (show, new))
    own = ("pid", "random", "hash")
    assert {key: value for key, value in forked.items() if key not in own} == {
        key: value for key, value in started.items() if key not in own
    }
    assert forked["arguments"][1:] == ["show", "a", "b"]


def test_each_fork_has_a_life_of_its_own(tmp_path: Path) -> None:
    one, two = (show(tmp_path, environ=environ) for environ in (FIRST, SECOND))
    assert one["pid"] != two["pid"]
    assert one["random"] != two["random"]
    assert (one["environ"]["TOLD"], two["environ"]["TOLD"]) == ("one", "two")


def test_what_is_read_at_the_start_of_a_process_is_read(tmp_path: Path) -> None:
    assert (
        show(tmp_path, environ={"PYTHONHASHSEED": "7"})["hash"]
        == show(tmp_path, environ={"PYTHONHASHSEED": "7"})["hash"]
    )


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_ends_by_a_signal_and_says_by_which(tmp_path: Path, signum: signal.Signals) -> None:
    with Path(os.devnull).open("r+") as nothing, (tmp_path / "said").open("w") as said:
        process = processes.start(SHOW, "wait", environ=os.environ, folder=tmp_path, files=(nothing, said, nothing))
    while (tmp_path / "said").read_text() != "waiting\n":
        time.sleep(0.01)
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signum)
    assert process.wait(60) == process.poll() == -signum
    process.kill()
