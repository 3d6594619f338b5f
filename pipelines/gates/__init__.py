"""Is this answer good enough? One gate a file."""

from __future__ import annotations

from pipelines.gates.cascade import Tier, decide_cascade
from pipelines.gates.quality import judge, stated_confidence

__all__ = ["Tier", "decide_cascade", "judge", "stated_confidence"]
