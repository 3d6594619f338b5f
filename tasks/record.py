"""A job as the ledger has it, for thinking that knows no ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue
from sqlalchemy import Connection

from db.decisions import read_below, read_outputs
from db.steps import Claim
from mirepoix.ended import Below
from mirepoix.ledger.contents import load
from mirepoix.paths import Place
from pipelines.values import Values
from pipelines.values import visible_values as values_of


@dataclass(frozen=True)
class LedgerRecord:
    """The job of a claim, read within its transaction."""

    connection: Connection
    claim: Claim

    @property
    def job_id(self) -> str:
        """The job."""
        return self.claim.job_id

    @cached_property
    def given(self) -> JsonValue:
        """Its input."""
        hash_ = self.claim.job.input_hash
        return load(self.connection, [hash_])[hash_]

    def outputs(self, paths: Iterable[str]) -> Values:
        """The answers of those of `paths` that have one."""
        return read_outputs(self.connection, self.job_id, paths)

    def below(self, path: str) -> list[Below]:
        """The steps right below `path`, in order."""
        return read_below(self.connection, self.job_id, path)


def visible_values(connection: Connection, claim: Claim, place: Place) -> Values:
    """What a template at `place` sees in the job of `claim`. Raises PipelineError."""
    return values_of(LedgerRecord(connection, claim), place)
