"""How long a model takes: a log-normal time to the first token, then its tokens one by one.

Published medians of one model differ two- to threefold by source, hence the wide
spread (sigma 0.35-0.6) and a tail of slow answers.
"""

from __future__ import annotations

import math
import random

from emulator.draws import normal
from emulator.profiles import ModelProfile

TAIL_CHANCE = 0.01
TAIL_FACTOR = 5.0
SPEED_SIGMA = 0.1


def draw_latency(profile: ModelProfile, output_tokens: int, draws: random.Random) -> float:
    """Seconds until a whole answer of `output_tokens` has been generated."""
    first = profile.ttft_median * math.exp(profile.ttft_sigma * normal(draws))
    if draws.random() < TAIL_CHANCE:
        first *= TAIL_FACTOR
    return first + output_tokens / profile.tokens_per_second * math.exp(SPEED_SIGMA * normal(draws))
