"""The name of a request within its batch, by which its result is known again.

It is the attempt's id behind the batch's, so that it tells the claim that asked, and epochs fence what comes late.
Anthropic takes at most 64 letters, digits, `-` and `_`.
"""

from __future__ import annotations


def custom_id(batch_id: str, attempt_id: int) -> str:
    """What a request is sent under."""
    return f"{batch_id}-{attempt_id}"


def attempt_of(batch_id: str, given: str) -> int | None:
    """The attempt that `given` names, or None where it is none of this batch's."""
    batch, _, attempt = given.partition("-")
    return int(attempt) if batch == batch_id and attempt.isascii() and attempt.isdigit() and len(attempt) < 19 else None
