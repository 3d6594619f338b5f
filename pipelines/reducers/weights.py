"""How much each member's voice counts."""

from __future__ import annotations

import math

from mirepoix.paths import Place, children, walk_below
from mirepoix.spec import Call, Ensemble


def voices(place: Place) -> list[float]:
    """The weights of the members of the ensemble at `place`, in their order; all 1 when it names none.

    The log-odds of being right, ln(p / (1 - p)), are the weights under which a vote between two answers by members
    that err independently is right most often (Nitzan and Paroush 1982). Who is right half of the time or less is of no
    use to it, and counts nothing. A member of several calls is as reliable as the least reliable model that it asks.
    """
    node = place.node
    if not isinstance(node, Ensemble):
        return []
    if node.weights is not None:
        return list(node.weights)
    if node.reliability is None:
        return [1.0] * len(node.members)
    return [_log_odds(min(known_models(member, node.reliability).values())) for member in children(place)]


def known_models(member: Place, reliability: dict[str, float]) -> dict[str, float]:
    """The models that `member` asks and whose reliability is known."""
    asked = {below.node.model for below in walk_below(member) if isinstance(below.node, Call)}
    return {model: reliability[model] for model in sorted(asked) if model in reliability}


def _log_odds(probability: float) -> float:
    return max(0.0, math.log(probability / (1 - probability)))
