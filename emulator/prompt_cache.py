"""Prompts that begin as an earlier one did: what they share is counted as cached, and costs less.

Google caches by itself what prompts of at least 1,024 tokens begin with (its docs on implicit caching). Here what is
shared is told by whole messages, for five minutes, and by API key and model.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from emulator.profiles import WireApi
from emulator.tokens import count_prompt_tokens
from emulator.wire import Ask

CACHING: frozenset[WireApi] = frozenset({"gemini"})
"""Those whose caching needs no word of the client, and is emulated."""
LEAST = 1024
SECONDS = 300.0
MOST = 20_000


class PromptCache:
    """What prompts began with, the latest of them last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def recall(self, key: str, ask: Ask) -> int:
        """How many tokens of the prompt are cached; from now on, all of it is."""
        now, cached = self._clock(), 0
        for tokens, digest in _beginnings(key, ask):
            if self._until.get(digest, 0.0) > now:
                cached = tokens
            self._until[digest] = now + SECONDS
            self._until.move_to_end(digest)
        while len(self._until) > MOST:
            self._until.popitem(last=False)
        return cached


def _beginnings(key: str, ask: Ask) -> Iterator[tuple[int, bytes]]:
    """The beginnings of the prompt that are long enough, the shortest first: their tokens and their digest."""
    digest, tokens = hashlib.blake2b(f"{key}\n{ask.model}".encode(), digest_size=16), 0
    for message in ask.messages:
        said = f"\n{message.role} {len(message.text)} {message.files}\n{message.text}"
        digest.update(said.encode(errors="surrogatepass"))
        tokens += count_prompt_tokens([message.text], len(message.files))
        if tokens >= LEAST:
            yield tokens, digest.digest()
