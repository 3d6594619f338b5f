"""What every batch API gives and takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Protocol, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from mirepoix.errors import ProviderError
from mirepoix.states import ErrorKind
from tasks.providers.base import Completion
from tasks.providers.trouble import broken_format

M = TypeVar("M", bound=BaseModel)

CLOCKS_APART = timedelta(hours=1)
A_PAGE = 100


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch as its provider tells of it. `results` are the paths of its results, once it has `ended`.

    `error` is why the provider did not take it on.
    """

    ended: bool
    cancelling: bool = False
    results: tuple[str, ...] = ()
    error: str | None = None


class BatchApi(Protocol):
    """The batch API of one provider. All of it raises ProviderError."""

    def line(self, custom_id: str, body: dict[str, JsonValue]) -> bytes:
        """A request as it stands in a batch, on a line of its own."""

    async def find(self, key: str, requests: int, since: datetime) -> str | None:
        """What the provider calls the batch that was sent under `key`; None where it has none.

        It has so many `requests`, and was sent after `since`. Raises a retryable ProviderError while it cannot be
        known yet.
        """

    async def send(self, key: str, lines: IO[bytes]) -> str:
        """Send a batch under `key`; returns what the provider calls it."""

    async def look(self, remote_id: str) -> SentBatch:
        """How it stands."""

    async def cancel(self, remote_id: str) -> None:
        """Ask for no more answers."""

    async def download(self, path: str, into: IO[bytes]) -> None:
        """Write results to `into`, a line each."""

    def read(self, line: bytes) -> tuple[str, dict[str, Any]]:
        """The custom id of a line of results, and the line as JSON."""

    def completion(self, result: dict[str, Any], body: dict[str, JsonValue]) -> Completion:
        """The answer to `body` in a line of results. Raises ProviderError where there is none."""


def before(since: datetime, created_at: datetime) -> bool:
    """Whether what the provider made at `created_at`, on its own clock, was there before `since`."""
    return created_at < since - CLOCKS_APART


def validated(form: type[M], data: dict[str, Any] | None, status: int | None = None) -> M:
    """`data` as a `form`. Raises ProviderError where it is not of that form."""
    try:
        return form.model_validate(data or {})
    except ValidationError as error:
        raise broken_format(error, status) from error


def unanswered(reason: str) -> ProviderError:
    """The batch ended before it was the turn of a request, which may be sent again alone."""
    return ProviderError(reason, kind=ErrorKind.UNANSWERED, retryable=True)
