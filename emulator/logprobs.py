"""How likely each token of an answer was, so that their mean tells right from wrong as the stated confidence does.

exp(mean log-probability) is a `stated_confidence` of its own draw: `confidence_auroc` sets how much it is worth. The
tokens share it unevenly (exponential weights of mean 1), as a few words of a real answer carry its doubt.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from emulator.wire import TokenLogprob

_ALTERNATIVES = (
    *(" the", " a", " of", " to", " and", " in", " is", " that", " for", " it", " as", " was", " with"),
    *(" be", " by", " on", " not", " he", " I", " this", " are"),
)
"""One more than a client may ask for, in case one of them is the token itself."""


def token_logprobs(tokens: Sequence[str], sureness: float, top: int, draws: random.Random) -> tuple[TokenLogprob, ...]:
    """The log-probabilities of `tokens`, of mean ln(`sureness`), each with the `top` likeliest at its place."""
    weights = [-math.log(1 - draws.random()) for _ in tokens]
    scale = math.log(sureness) * len(tokens) / sum(weights) if weights else 0.0
    return tuple(_one(token, weight * scale, top) for token, weight in zip(tokens, weights, strict=True))


def _one(token: str, logprob: float, top: int) -> TokenLogprob:
    """The token among others that halve what is left of the probability, one after the other."""
    share, others = -math.expm1(logprob) or math.ulp(0.5), [other for other in _ALTERNATIVES if other != token]
    ranked = [(other, math.log(share) - rank * math.log(2)) for rank, other in enumerate(others[:top], start=1)]
    ranked = sorted([(token, logprob), *ranked], key=lambda pair: -pair[1]) if top else []
    return TokenLogprob(token, logprob, tuple(ranked[:top]))
