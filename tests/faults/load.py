"""What a row submits, and what must come out: every step's answer is known in advance."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mirepoix import Submission
from mirepoix.paths import ROOT

ITEMS = 10_000
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty", "karst", "larch")
SHARES = {"single": 44, "cascade": 22, "chain": 14, "ensemble": 12, "nest": 8}


@dataclass(frozen=True, slots=True)
class Task:
    """One job: a pipeline and the item that it is about. Its idempotency key is unique within a row."""

    pipeline: str
    number: int
    key: str

    @property
    def item(self) -> str:
        """The job's input."""
        return f"{self.number:04d}"

    def submission(self, tenant: str) -> Submission:
        """As it is submitted; the key makes it safe to submit it again."""
        return Submission(self.item, tenant=tenant, key=self.key)

    def expected(self) -> dict[str, str]:
        """The output of each step, by path; the job's own is that of the root."""
        from tests.faults.models import woven  # it imports this module

        code, guess, sure = code_word(self.number), first_guess(self.number), self.number % 2 == 0
        match self.pipeline:
            case "single":
                return {ROOT: code}
            case "cascade":
                return {ROOT: code, "tiers.0": guess} | ({} if sure else {"tiers.1": code})
            case "ensemble":
                return {ROOT: code} | {f"members.{index}": code for index in range(5)}
            case "chain":
                first = woven(f"{code} of {self.item}")
                cloth = woven(f"{code} {first} {seal(self.number)}")
                return {"code": code, "woven": first, "seal": seal(self.number), "cloth": cloth, ROOT: cloth}
        members = {
            "0": code,
            "0.tiers.0": guess,
            **({} if sure else {"0.tiers.1": code}),
            "1": code,
            "1.guess": guess,
            "1.code": code,
            "2": code,
        }
        cloth = woven(f"{code} {code} {self.item}")
        below = {f"verdict.members.{path}": output for path, output in members.items()}
        return {"code": code, "verdict": code, **below, "cloth": cloth, ROOT: cloth}


def tasks(seed: str, jobs: int) -> list[Task]:
    """The load of one row: the same for the same `seed`."""
    draws = random.Random(seed)
    names = [name for name, share in SHARES.items() for _ in range(round(jobs * share / 100))]
    names = (names + ["single"] * jobs)[:jobs]
    draws.shuffle(names)
    first = draws.randrange(ITEMS)
    return [Task(name, (first + number) % ITEMS, f"{number:05d}") for number, name in enumerate(names)]


def code_word(number: int) -> str:
    """What only who knows the item can say."""
    return f"{WORDS[number % len(WORDS)]}-{number:04d}-{_digest('code', number)}"


def first_guess(number: int) -> str:
    """Right, and not hedged, for even numbers; for odd ones a cascade must not be content with it."""
    return code_word(number) if number % 2 == 0 else f"Perhaps {code_word(number)}."


def seal(number: int) -> str:
    """What only who knows the code word can say."""
    return f"seal-{number:04d}-{_digest('seal', number)}"


def write_questions(file: Path) -> None:
    """All questions of the load with their answers, for the emulator."""
    with file.open("w") as lines:
        for number in range(ITEMS):
            for id_, question, answer in _questions(number):
                row = {"id": id_, "question": question, "answer": answer, "difficulty": -100}
                lines.write(json.dumps(row) + "\n")


def _questions(number: int) -> Iterator[tuple[str, str, str]]:
    yield f"code-{number}", f"What is the code word of item {number:04d}?", code_word(number)
    yield f"guess-{number}", f"What is the first guess at item {number:04d}?", first_guess(number)
    yield f"seal-{number}", f"What is the seal of the code word {code_word(number)}?", seal(number)


def _digest(what: str, number: int) -> str:
    return hashlib.blake2b(f"{what} {number}".encode(), digest_size=3).hexdigest()
