"""Which questions are learned from, and which are answered: one trial for each file to report on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from learning.compare.methods import Trial
from learning.compare.results import Skipped
from learning.compare.table import (
    Rows,
    Table,
    folded,
    folds_by_hash,
    halves_by_hash,
    models_with_costs,
    random_halves,
    table_of,
)
from learning.outcomes import NO_PRICES, Outcome, read_outcomes, read_prices
from mirepoix.errors import InputError

Made = TypeVar("Made")

FEWEST = 20
"""Questions in each half; with fewer there is nothing to learn or to measure."""
MANY = 3
FOLDS = 5
OWN_PRICES = "prices.json"
SPLIT = "half by the SHA-256 of the question's id: even last byte to learn from, odd to report on"
HELD_OUT = "all of the data to learn from, the held-out files to report on"


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """One file: its trial, and the outcomes of files that are not like it.

    Promises are made from random halves of the questions of `promised[0]`, and counted on others of `promised[1]`: the
    same table where one file is split, the one that is learned from and the held-out one where there are two. `parts`
    are the names of the files that this one is made of, if of several.
    """

    name: str
    trial: Trial
    promised: tuple[Table, Table]
    elsewhere: Sequence[Outcome]
    trained_on: str
    notes: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def questions(self) -> int:
        """How many it takes to work on."""
        return len(self.trial.train) + len(self.trial.test)

    def halves(self, splits: int) -> list[tuple[Table, Table]]:
        """So many random halves, and unseen questions for each; none where halves are too small to tell anything."""
        learn, report = self.promised
        if min(len(learn), len(report)) // 2 < FEWEST:
            return []
        seed = self.trial.seed
        ways = zip(random_halves(len(learn), splits, seed), random_halves(len(report), splits, seed), strict=True)
        return [(learn.rows(chosen), report.rows(unseen)) for (chosen, _), (_, unseen) in ways]

    def folds(self) -> list[tuple[Rows, Rows]]:
        """Rows of `promised[0]` to learn from, and those of `promised[1]` that are unseen then; each of them once."""
        learn, report = self.promised
        if learn is report:
            return list(folds_by_hash(report, FOLDS))
        return [(np.arange(len(learn)), np.arange(len(report)))]


@dataclass(frozen=True, slots=True)
class Planned:
    """What to work on, and the files that cannot be."""

    plans: list[Plan]
    skipped: list[Skipped]


@dataclass(frozen=True, eq=False, slots=True)
class _File:
    """One that was read, or several together under the names of all."""

    name: str
    outcomes: list[Outcome]
    parts: tuple[str, ...] = ()

    def overlaps(self, other: _File) -> bool:
        """Whether the two hold the same questions."""
        return bool({self.name, *self.parts} & {other.name, *other.parts})


def plan(
    data: Sequence[Path],
    train: Sequence[Path],
    heldout: Sequence[Path],
    prices: Path | None,
    seed: int,
    most: int | None,
) -> Planned:
    """Read the files, `most` questions of each at the most.

    Without `heldout` each file of `data` is split in two, and `train` are other files to learn from. With it, all of
    `data` and `train` are learned from. A file that cannot be reported on is skipped. Raises InputError where that are
    all, and for a file to learn from that cannot be read.
    """
    beside_data = data[0].with_name(OWN_PRICES)
    skipped: list[Skipped] = []

    def read(paths: Sequence[Path]) -> list[_File]:
        return _with_families([_read(path, prices, beside_data, most) for path in paths])

    def read_able(paths: Sequence[Path]) -> list[_File]:
        _once_each(paths)
        read = [_able(partial(_read, path, prices, beside_data, most), _name(path), skipped) for path in paths]
        return _with_families([file for each in read for file in each])

    if heldout:
        known, files = read([*data, *train]), read_able(heldout)
        made = [_able(partial(_plan_held_out, file, known, seed), file.name, skipped) for file in files]
    else:
        files, others = read_able(data), read(train)
        others += files
        made = [_able(partial(_plan_split, file, others, seed), file.name, skipped) for file in files]
    plans = [one for each in made for one in each]
    if not plans:
        raise InputError(" ".join(one.why for one in skipped))
    return Planned(plans, skipped)


def _able(work: Callable[[], Made], name: str, skipped: list[Skipped]) -> list[Made]:
    """What `work` makes of the file of this name, or nothing where it cannot, and why."""
    try:
        return [work()]
    except InputError as error:
        skipped.append(Skipped(name, str(error)))
        return []


def _once_each(paths: Sequence[Path]) -> None:
    for name, count in Counter(_name(path) for path in paths).items():
        if count > 1:
            raise InputError(f"{count} files are called {name}, and their figures could not be told apart: rename one.")


def _with_families(files: Sequence[_File]) -> list[_File]:
    """The files, and those of many models that are parts of one benchmark together: a_x and a_y as `a`.

    A choice among many models takes more questions than one such part has.
    """
    families: dict[str, list[_File]] = {}
    for file in files:
        families.setdefault(file.name.partition("_")[0], []).append(file)
    together = [
        _File(family, [one for part in parts for one in part.outcomes], tuple(part.name for part in parts))
        for family, parts in families.items()
        if len(parts) > 1 and len(set.intersection(*({*part.outcomes[0].score} for part in parts))) >= MANY
    ]
    return [*files, *together]


def _read(path: Path, prices: Path | None, beside_data: Path, most: int | None) -> _File:
    """With the prices that are given, else those beside the file, else those beside the data."""
    told = next((one for one in (prices, path.with_name(OWN_PRICES), beside_data) if one and one.exists()), None)
    outcomes = read_outcomes(path, read_prices(told) if told else NO_PRICES)
    return _File(_name(path), outcomes[:most])


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _plan_split(file: _File, others: Sequence[_File], seed: int) -> Plan:
    models = models_with_costs(file.name, file.outcomes)
    whole = table_of(file.name, file.outcomes, models)
    learn, report = halves_by_hash(whole)
    apart = [other for other in others if not other.parts and not file.overlaps(other)]
    elsewhere = [outcome for other in apart for outcome in other.outcomes]
    trial = Trial(whole.rows(learn), whole.rows(report), seed)
    notes = _left_out(file, whole)
    return _checked(Plan(file.name, trial, (whole, whole), elsewhere, file.name, notes, file.parts))


def _plan_held_out(file: _File, known: Sequence[_File], seed: int) -> Plan:
    """Learn from the files like it: those of its name, else those with its tasks, else all that know its models."""
    offered = models_with_costs(file.name, file.outcomes)
    able = [other for other in known if len(_shared(other, offered)) > 1 and (not other.parts or file.parts)]
    if not able:
        raise InputError(
            f"{file.name}: no file to learn from knows two of its models ({', '.join(offered)}); add one with --train."
        )
    tasks = {outcome.task for outcome in file.outcomes} - {None}
    like = (
        [other for other in able if other.name == file.name]
        or [other for other in able if tasks & {outcome.task for outcome in other.outcomes}]
        or able
    )
    models = [model for model in offered if all(model in _shared(other, offered) for other in like)]
    if len(models) < 2:  # they know different models: the one that knows most of them
        like = [max(like, key=lambda other: len(_shared(other, offered)))]
        models = _shared(like[0], offered)
    asked = {folded(outcome.question) for outcome in file.outcomes}
    outcomes = [outcome for other in like for outcome in other.outcomes]
    unasked = [outcome for outcome in outcomes if folded(outcome.question) not in asked]
    learn, report = table_of(file.name, unasked, models), table_of(file.name, file.outcomes, models)
    apart = [other for other in known if not other.parts and not any(one.overlaps(other) for one in like)]
    elsewhere = [outcome for other in apart for outcome in other.outcomes]
    trained_on = ", ".join(other.name for other in like)
    notes = list(_left_out(file, report))
    if like[0].name != file.name:
        notes.append(f"learned from other files: {trained_on}")
    if len(unasked) < len(outcomes):
        notes.append(f"{len(outcomes) - len(unasked)} held-out questions were left out of what is learned from")
    trial, tables = Trial(learn, report, seed), (learn, report)
    return _checked(Plan(file.name, trial, tables, elsewhere, trained_on, tuple(notes), file.parts))


def _shared(file: _File, models: Sequence[str]) -> list[str]:
    try:
        known = models_with_costs(file.name, file.outcomes)
    except InputError:  # a file of one model teaches nothing of a choice; it is no fault of the one that is measured
        return []
    return [model for model in models if model in known]


def _left_out(file: _File, table: Table) -> tuple[str, ...]:
    """What of the file is not compared."""
    models = sorted({model for outcome in file.outcomes for model in outcome.score} - set(table.models))
    notes = []
    if models:
        notes.append(f"left out, with too few outcomes or no known cost: {', '.join(models)}")
    if len(table) < len(file.outcomes):
        notes.append(f"{len(file.outcomes) - len(table)} questions were not put to all models, and are left out")
    return tuple(notes)


def _checked(made: Plan) -> Plan:
    for part, use in ((made.trial.train, "learn from"), (made.trial.test, "report on")):
        if len(part) < FEWEST:
            raise InputError(
                f"{made.name}: {len(part)} questions to {use}, put to all its models; {FEWEST} are needed."
            )
    return made
