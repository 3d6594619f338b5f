"""`mirepoix bench routing` on small files, through the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.learning.compare.made import SKILL, made, write
from tests.system.world import clean_environ

METHODS = [
    "always cheap",
    "always strong",
    "random mix",
    "complexity",
    "similarity-weighted",
    "matrix factorisation",
    "tf-idf, pair",
    "tf-idf",
    "neighbours, pair",
    "neighbours",
    "learned, pair",
    "learned",
    "learned elsewhere, pair",
    "learned elsewhere",
    "agreement cascade",
    "cascade routing",
    "vote of three",
    "oracle",
]


def bench(home: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli", "bench", "routing", *map(str, words)],
        cwd=home,
        env=clean_environ() | {"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_reports_on_held_out_questions_of_unequal_models(tmp_path: Path) -> None:
    """One file to learn from, another one that is not alike, and a held-out one with a model that nobody else knows."""
    data = write(tmp_path / "made.jsonl", made(120, 1))
    other = write(tmp_path / "other.jsonl", made(60, 5))
    unseen = made(80, 2)
    heldout = tmp_path / "held"
    heldout.mkdir()
    write(heldout / "made.jsonl", unseen)
    lines = [json.loads(line) for line in (heldout / "made.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["score"]["new"], line["cost"]["new"] = 1, 0.1
        if number < 5:
            del line["score"]["other"]
    (heldout / "made.jsonl").write_text("\n".join(map(json.dumps, lines)))
    plots = tmp_path / "plots"
    done = bench(
        tmp_path, "--data", data, other, "--heldout", heldout / "made.jsonl", "--plots", plots, "--quick", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = read(done.stdout)
    [result] = report["files"]
    assert report["skipped"] == []
    assert "4/4" in done.stderr, "it tells what is done"
    assert result["questions"] == {"train": 120, "test": 75}
    assert set(result["models"]) == {"small", "other", "large"}
    assert any("new" in note for note in result["notes"])
    assert any(note.startswith("5 questions were not put to all models") for note in result["notes"])
    methods = {method["method"]: method for method in result["methods"]}
    assert list(methods) == METHODS
    assert methods["random mix"]["apgr"][0] == pytest.approx(0.5)
    for name in ("learned, pair", "tf-idf, pair", "neighbours, pair"):
        assert methods[name]["apgr"][1] > 0.6, f"{name}: the words of these questions tell how hard they are"
    assert methods["oracle"]["area"][0] >= max(method["area"][0] for method in methods.values())
    _figures_hold(methods)
    [crossed] = report["cross_fits"]
    assert (crossed["name"], crossed["questions"]) == ("made", 75)
    assert crossed["leads"]["random mix"]["surely"], "the words of these questions tell how hard they are"
    assert set(crossed["leads"]) == set(crossed["apgr"]) - {"learned"}
    assert result["router"]["p50_ms"] > 0
    assert len(result["router"]["hash"]) == 64
    assert {(promise["method"], promise["target"]) for promise in result["promises"]} == {
        (method, target) for method in ("learned", "agreement cascade", "cascade routing") for target in (0.99, 0.98)
    }
    assert {path.name for path in plots.iterdir()} == {
        f"made-{kind}.{suffix}" for kind in ("cost-quality", "reliability") for suffix in ("png", "svg")
    }


def read(text: str) -> dict[str, Any]:
    """The JSON of a report, in which each number is one."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in the JSON")

    report: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return report


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_odd_files_have_figures_or_are_skipped_with_the_reason(tmp_path: Path) -> None:
    """All right, all wrong, free of charge, and without answers; beside them one that is empty, and one too small."""
    for name, change in {
        "right": {"score": dict.fromkeys(SKILL, 1)},
        "wrong": {"score": dict.fromkeys(SKILL, 0)},
        "free": {"cost": dict.fromkeys(SKILL, 0)},
        "bare": {"pred": None, "task": None},
    }.items():
        lines = write(tmp_path / f"{name}.jsonl", made(90, 1)).read_text().splitlines()
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(json.loads(line) | change) for line in lines))
    write(tmp_path / "small.jsonl", made(20, 1))
    (tmp_path / "empty.jsonl").touch()
    document = tmp_path / "figures.md"
    document.write_text("Before.\n\n<!-- bench routing -->\nold\n<!-- /bench routing -->\n\nAfter.\n")
    names = ("right", "wrong", "free", "bare", "small", "empty")
    files = [tmp_path / f"{name}.jsonl" for name in names]
    done = bench(tmp_path, "--data", *files, "--quick", "--json", "--into", document)
    assert done.returncode == 0, done.stderr
    report = read(done.stdout)
    methods = {one["name"]: {method["method"]: method for method in one["methods"]} for one in report["files"]}
    assert list(methods) == ["right", "wrong", "free", "bare"]
    assert {one["name"]: "20 are needed" in one["why"] for one in report["skipped"]} == {"small": True, "empty": False}
    assert report["files"][0]["strong"] == report["files"][0]["cheap"] == "small", "the cheapest is as good as any"
    crossed = {one["name"]: one for one in report["cross_fits"]}
    assert list(crossed) == ["bare"], "where one model is the cheapest and the best there is no pair; one has no mean"
    assert methods["wrong"]["learned"]["reached"]["0.99"]["relative"][0] is None
    assert methods["free"]["learned"]["reached"]["0.99"]["saved"][0] is None
    assert "agreement cascade" not in methods["bare"]
    text = document.read_text()
    assert text.startswith("Before.\n\n<!-- bench routing -->\n*half by")
    assert text.endswith("<!-- /bench routing -->\n\nAfter.\n")
    assert "old" not in text.split("elsewhere")[0]


def _figures_hold(methods: dict[str, Any]) -> None:
    """Each value lies in its interval, and what was chosen adds up."""
    for method in methods.values():
        for value, low, high in [method["apgr"], method["area"], *method["saved"].values(), *method["cpt"].values()]:
            assert value is None or low - 1e-9 <= value <= high + 1e-9, method
        for reached in method["reached"].values():
            assert reached["cost_usd"][0] > 0
            assert sum(reached["shares"].values()) >= 1 - 1e-9


def test_a_file_with_nothing_to_choose_is_refused(tmp_path: Path) -> None:
    lone = [json.dumps({"id": str(n), "question": "q", "score": {"a": 1}, "cost": {"a": 1}}) for n in range(50)]
    (tmp_path / "lone.jsonl").write_text("\n".join(lone))
    done = bench(tmp_path, "--data", "lone.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("error: lone: there is nothing to choose")
    assert not done.stdout


def test_a_held_out_file_of_strangers_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "made.jsonl", made(50, 1))
    text = (tmp_path / "made.jsonl").read_text()
    for name in ("small", "other", "large"):
        text = text.replace(f'"{name}"', f'"{name}-2"')
    (tmp_path / "strangers.jsonl").write_text(text)
    done = bench(tmp_path, "--data", "made.jsonl", "--heldout", "strangers.jsonl")
    assert done.returncode == 2
    assert "no file to learn from knows two of its models (small-2, other-2, large-2)" in done.stderr


def test_a_document_without_markers_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    data = write(tmp_path / "made.jsonl", made(50, 1))
    (tmp_path / "figures.md").write_text("Nothing to write between.")
    done = bench(tmp_path, "--data", data, "--into", tmp_path / "figures.md")
    assert done.returncode == 2
    assert "needs one <!-- bench routing -->" in done.stderr


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = [write(folder / "made.jsonl", made(50, 1)) for folder in (tmp_path, tmp_path / "other")]
    done = bench(tmp_path, "--data", *files)
    assert done.returncode == 2
    assert "2 files are called made" in done.stderr


def test_too_few_questions_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "few.jsonl", made(12, 1))
    done = bench(tmp_path, "--data", "few.jsonl")
    assert done.returncode == 2
    assert "20 are needed" in done.stderr
