"""Is this answer good enough? One gate, or a few of a kind, a file.

`ask` asks them, `weigh` puts together what they say, and `cascade` decides upon it: the answer stands, or the next tier
is asked, or a gate needs further calls first. Where a trained policy decides instead, that is `policy`.
"""

from __future__ import annotations

from pipelines.gates.ask import needs_function, wants_logprobs
from pipelines.gates.cascade import Ask, Move, next_move
from pipelines.gates.function import load_function
from pipelines.gates.judgement import fence
from pipelines.gates.policy import policy_move
from pipelines.gates.quality import judge, stated_confidence
from pipelines.gates.seen import Heard, Tier
from pipelines.gates.tiers import places_asked, see_tiers, tiers_by_number

__all__ = [
    "Ask",
    "Heard",
    "Move",
    "Tier",
    "fence",
    "judge",
    "load_function",
    "needs_function",
    "next_move",
    "places_asked",
    "policy_move",
    "see_tiers",
    "stated_confidence",
    "tiers_by_number",
    "wants_logprobs",
]
