"""A producer whose own modules are called like ours installs the wheel and submits a job."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.world import World

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
PRODUCER = """
import cli, db, pipelines, tasks, workers
for module in (cli, db, pipelines, tasks, workers):
    assert module.WHOSE == "the producer's", module
import mirepoix
assert mirepoix.__file__.startswith({site!r}), mirepoix.__file__
with mirepoix.Client() as client:
    handle = client.submit("only_openai", "What is the capital of France?")
    print(handle.id, handle.result(timeout=30))
    [other] = client.submit_many(mirepoix.Call(model="luna", prompt="Say: {{{{ input }}}}"), ["hello"])
    other.result(timeout=30)
    assert len(other.trace().steps) == 1
for module in (cli, db, pipelines, tasks, workers):
    assert module.WHOSE == "the producer's", module
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the built wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_producer_with_modules_of_our_names_submits_a_job(world: World, site: Path, tmp_path: Path) -> None:
    for name in ("cli", "db", "pipelines", "tasks", "workers"):
        (tmp_path / f"{name}.py").write_text('WHOSE = "the producer\'s"\n')
    (tmp_path / "producer.py").write_text(PRODUCER.format(site=str(site)))
    done = subprocess.run(
        [sys.executable, "producer.py"],
        cwd=tmp_path,
        env=world.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()[0]) == 26


def test_the_wheel_holds_all_that_the_command_needs(site: Path, tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONPATH": str(site), "MIREPOIX_HOME": str(tmp_path / "home")}
    for arguments in (["init"], ["check", "--emulate"], ["migrate"], ["jobs"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (site / "mirepoix" / "py.typed").exists()
    assert (site / "mirepoix" / "examples" / "questions.jsonl").exists()
