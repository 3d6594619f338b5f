"""Which questions are learned from, and which are answered: one trial for each file to report on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.compare.methods import Trial
from learning.compare.table import Table, halves_by_hash, models_with_costs, table_of
from learning.outcomes import NO_PRICES, Outcome, read_outcomes, read_prices
from mirepoix.errors import InputError

FEWEST = 20
"""Questions in each half; with fewer there is nothing to learn or to measure."""
MANY = 3
OWN_PRICES = "prices.json"
SPLIT = "half by the SHA-256 of the question's id: even last byte to learn from, odd to report on"
HELD_OUT = "all of the data to learn from, the held-out files to report on"


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """One file: its trial, the whole table for the promises, and the outcomes of files that are not like it."""

    name: str
    trial: Trial
    whole: Table
    elsewhere: Sequence[Outcome]
    trained_on: str
    notes: tuple[str, ...]


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
) -> list[Plan]:
    """Read the files, `most` questions of each at the most. Raises InputError where there is nothing to compare.

    Without `heldout` each file of `data` is split in two, and `train` are other files to learn from. With it, all of
    `data` and `train` are learned from.
    """
    beside_data = data[0].with_name(OWN_PRICES)

    def read(paths: Sequence[Path]) -> list[_File]:
        return _with_families([_read(path, prices, beside_data, most) for path in paths])

    if heldout:
        known = read([*data, *train])
        return [_plan_held_out(file, known, seed) for file in read(heldout)]
    files = read(data)
    others = [*files, *read(train)] if train else files
    return [_plan_split(file, [other for other in others if not file.overlaps(other)], seed) for file in files]


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
    return _File(path.name.partition(".")[0], outcomes[:most])


def _plan_split(file: _File, others: Sequence[_File], seed: int) -> Plan:
    models = models_with_costs(file.name, file.outcomes)
    whole = table_of(file.name, file.outcomes, models)
    learn, report = halves_by_hash(whole)
    elsewhere = [outcome for other in others if not other.parts for outcome in other.outcomes]
    trial = Trial(whole.rows(learn), whole.rows(report), seed)
    return _checked(Plan(file.name, trial, whole, elsewhere, file.name, _left_out(file, whole)))


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
    outcomes = [outcome for other in like for outcome in other.outcomes]
    learn, report = table_of(file.name, outcomes, models), table_of(file.name, file.outcomes, models)
    apart = [other for other in known if not other.parts and not any(one.overlaps(other) for one in like)]
    elsewhere = [outcome for other in apart for outcome in other.outcomes]
    trained_on = ", ".join(other.name for other in like)
    notes = (
        *_left_out(file, report),
        *([] if like[0].name == file.name else [f"learned from other files: {trained_on}"]),
    )
    return _checked(Plan(file.name, Trial(learn, report, seed), report, elsewhere, trained_on, notes))


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
