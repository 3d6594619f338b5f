"""What another configuration would have done with recorded jobs, without calling anything.

`means` is what models take on average, `expect` what a walk costs and takes, `outcome` what becomes of one job, and
`estimate` what follows from many, with intervals and with what cannot be known.
"""

from __future__ import annotations

from pipelines.whatif.estimate import WhatIf, estimate, rate
from pipelines.whatif.means import Means
from pipelines.whatif.outcome import Evaluation, JobOutcome

__all__ = ["Evaluation", "JobOutcome", "Means", "WhatIf", "estimate", "rate"]
