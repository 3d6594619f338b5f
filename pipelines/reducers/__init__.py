"""Make one answer of many; one way of doing it a file."""

from __future__ import annotations

from pipelines.reducers.vote import Member, majority_vote, normalise

__all__ = ["Member", "majority_vote", "normalise"]
