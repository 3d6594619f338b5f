"""Randomness that is the same whenever the same things are asked in the same order."""

from __future__ import annotations

import hashlib
import json
import random
from statistics import NormalDist

STANDARD_NORMAL = NormalDist()
_TINY = 1e-12


def generator(*of: str | int) -> random.Random:
    """A generator that depends on `of` alone, through BLAKE2b; Python's `hash()` differs by process."""
    digest = hashlib.blake2b(json.dumps(of).encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))


def normal(draws: random.Random) -> float:
    """A standard normal draw, by inversion: only `random.random()` never changes between Pythons."""
    return STANDARD_NORMAL.inv_cdf(min(max(draws.random(), _TINY), 1 - _TINY))


class Attempts:
    """Counts how often each API key has sent each body since the server started.

    A repeated request thus gets fresh draws, as it would from a provider, while a replay of the whole run
    does not.
    """

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def count(self, key: str, body_hash: str) -> int:
        """0 for the first request of this `key` and body, 1 for the second, and so on."""
        # 64 bits as an int: a soak test sends millions of bodies, and two strings take three times the room.
        digest = hashlib.blake2b(f"{key}\n{body_hash}".encode(), digest_size=8).digest()
        pair = int.from_bytes(digest, "big")
        attempt = self._seen.get(pair, 0)
        self._seen[pair] = attempt + 1
        return attempt
