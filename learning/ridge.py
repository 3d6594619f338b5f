"""Ridge regression of many targets at once, each with its own strength, on sparse features.

Hoerl and Kennard 1970. Solved in its dual form, one unknown a question and target, by conjugate gradients (Hestenes and
Stiefel 1952) on all targets together: each step is two products with the sparse matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

STEPS = 12
ENOUGH = 1e-6
"""The squared residual, as a share of the first, at which a search ends."""
TINY = 1e-30

Array = NDArray[np.floating[Any]]


def fit_ridge(features: csr_matrix, targets: Array, strength: Array) -> Array:
    """Weights [features, targets] that minimise |features w - target|^2 + strength |w|^2 for each target.

    `targets` is [questions, targets] and centred, `strength` is [targets].
    """
    turned = features.T.tocsr()
    unknowns = np.zeros_like(targets)
    residual = targets.copy()
    direction = residual.copy()
    size = first = (residual * residual).sum(axis=0)
    for _ in range(STEPS):
        moved = features @ (turned @ direction) + strength * direction
        step = size / np.maximum((direction * moved).sum(axis=0), TINY)
        unknowns += step * direction
        residual -= step * moved
        before, size = size, (residual * residual).sum(axis=0)
        if (size <= ENOUGH * first).all():
            break
        direction = residual + size / np.maximum(before, TINY) * direction
    weights: Array = turned @ unknowns
    return weights
