"""In-process models with answers that can be proven: what comes out depends on all that went in."""

from __future__ import annotations

import hashlib
import re
import time

from tests.faults.load import code_word

SHORTEST, LONGEST = 0.05, 0.3


def read_code(prompt: str) -> str:
    """The code word of the first item that the prompt names."""
    _take_time(prompt)
    found = re.search(r"item (\d+)", prompt)
    return code_word(int(found[1])) if found else "no item"


def weave(prompt: str) -> str:
    """A digest of the prompt."""
    _take_time(prompt)
    return woven(prompt)


def woven(prompt: str) -> str:
    """What `weave` answers, at once."""
    return hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()


def _take_time(prompt: str) -> None:
    share = hashlib.blake2b(prompt.encode(), digest_size=1).digest()[0] / 255
    time.sleep(SHORTEST + share * (LONGEST - SHORTEST))
