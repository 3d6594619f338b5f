"""Route by how hard a query looks: its length, its technical terms and its ambiguity.

A heuristic that costs microseconds. It looks at the question only, so it knows nothing of what a model would answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mirepoix.spec import Route
from pipelines.routers.expectation import Candidate
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query

WORDS_OF_A_LONG_QUERY = 90
TERMS_OF_A_TECHNICAL_QUERY = 5
MARKS_OF_AN_OPEN_QUERY = 4
WEIGHTS = {"length": 0.40, "technical": 0.35, "ambiguity": 0.25}

TECHNICAL = frozenset(
    [
        "algorithm",
        "amortized",
        "amplitude",
        "analysis",
        "api",
        "architecture",
        "array",
        "asymptotic",
        "asynchronous",
        "automaton",
        "axiom",
        "bayesian",
        "bandwidth",
        "binary",
        "biochemistry",
        "bytecode",
        "cache",
        "calculus",
        "catalyst",
        "cipher",
        "circuit",
        "class",
        "coefficient",
        "combinatorial",
        "compiler",
        "complexity",
        "compound",
        "concurrency",
        "conditional",
        "consensus",
        "consistency",
        "constraint",
        "convex",
        "convergence",
        "correlation",
        "covariance",
        "cryptographic",
        "database",
        "deadlock",
        "derivative",
        "deterministic",
        "differential",
        "diffusion",
        "dimension",
        "discount",
        "distributed",
        "distribution",
        "eigenvalue",
        "elasticity",
        "encryption",
        "entropy",
        "enzyme",
        "equation",
        "equilibrium",
        "estimator",
        "exponential",
        "expression",
        "factorial",
        "formula",
        "function",
        "gradient",
        "graph",
        "hash",
        "heuristic",
        "hypothesis",
        "independence",
        "induction",
        "inequality",
        "inference",
        "inflation",
        "integral",
        "interest",
        "invariant",
        "isotope",
        "iteration",
        "jurisdiction",
        "kernel",
        "kinetic",
        "latency",
        "liability",
        "linear",
        "logarithm",
        "lambda",
        "matrix",
        "mechanism",
        "metabolism",
        "method",
        "module",
        "molecule",
        "momentum",
        "monotone",
        "mutex",
        "neural",
        "optimal",
        "optimization",
        "orthogonal",
        "oxidation",
        "parameter",
        "partition",
        "permutation",
        "polynomial",
        "posterior",
        "prior",
        "probability",
        "process",
        "program",
        "protocol",
        "proof",
        "quantum",
        "quadratic",
        "query",
        "queue",
        "recursion",
        "recursive",
        "regression",
        "regulation",
        "relational",
        "replication",
        "resistance",
        "runtime",
        "scheduler",
        "semantics",
        "sequence",
        "server",
        "software",
        "statistical",
        "stochastic",
        "subset",
        "symmetric",
        "syntax",
        "tensor",
        "theorem",
        "thermodynamic",
        "thread",
        "throughput",
        "topology",
        "transaction",
        "transform",
        "tree",
        "turbulence",
        "variance",
        "vector",
        "velocity",
        "voltage",
        "wavelength",
    ]
)
OPEN = re.compile(
    r"\b(why|how|compare|contrast|explain|discuss|evaluate|assess|analy[sz]e|design|derive|prove|justify|argue|"
    r"trade-?offs?|best|better|should|could|might|would|depends?|assum\w+|suppose|given that|if|unless|whether|"
    r"implications?|pros and cons|step by step|consider\w*)\b",
    re.IGNORECASE,
)
CODE = re.compile(r"```|\bdef \w+\(|\bclass \w+|[{};]\s*$|\breturn\b|=>|->|==|!=|\$[^$]+\$|\\[a-z]+\{", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:[.,]\d+)?\s*(?:%|[a-zA-Z]{1,3}\b)?")
WORD = re.compile(r"[^\W\d_][\w'-]*")


@dataclass(frozen=True, slots=True)
class Complexity:
    """How hard a query looks, 0..1, and the three factors of it, each 0..1."""

    score: float
    length: float
    technical: float
    ambiguity: float


def complexity(query: str) -> Complexity:
    """Score `query`; deterministic, and linear in its length."""
    words = [word.lower() for word in WORD.findall(query)]
    terms = sum(word in TECHNICAL or word.removesuffix("s") in TECHNICAL for word in words)
    long_words = sum(len(word) >= 12 for word in words)
    code = min(len(CODE.findall(query)), 3)
    numbers = max(0, len(NUMBER.findall(query)) - 2)
    factors = {
        "length": min(1.0, len(words) / WORDS_OF_A_LONG_QUERY),
        "technical": min(1.0, (terms + code + 0.5 * long_words + 0.5 * numbers) / TERMS_OF_A_TECHNICAL_QUERY),
        "ambiguity": min(1.0, (len(OPEN.findall(query)) + max(0, query.count("?") - 1)) / MARKS_OF_AN_OPEN_QUERY),
    }
    score = sum(WEIGHTS[name] * value for name, value in factors.items())
    return Complexity(round(score, 4), **{name: round(value, 4) for name, value in factors.items()})


def by_complexity(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """The first branch whose bound is above the score, else the last one; if that is ruled out, the next harder one."""
    seen = complexity(query.text)
    index = next(
        (index for index, branch in enumerate(node.to) if branch.below is not None and seen.score < branch.below),
        len(node.to) - 1,
    )
    bounds = [branch.below for branch in node.to if branch.below is not None]
    bound = node.to[index].below
    relation = (
        f"is below {bound}" if bound is not None else f"is not below {bounds[-1]}" if bounds else "needs no bound"
    )
    leading = max(("length", "technical", "ambiguity"), key=lambda name: WEIGHTS[name] * getattr(seen, name))
    open_ = [candidate.index for candidate in candidates]
    return Preference(
        next((harder for harder in open_ if harder >= index), open_[-1]),
        reason=f"complexity {seen.score:.2f} {relation}; most of it from {leading}",
        confidence=_confidence(seen.score, bounds),
        features={
            "score": seen.score,
            "length": seen.length,
            "technical": seen.technical,
            "ambiguity": seen.ambiguity,
            "bounds": bounds,
        },
    )


def _confidence(score: float, bounds: list[float]) -> float:
    """0.5 on a bound, rising to 1 at a distance of 0.25 from the nearest one."""
    if not bounds:
        return 1.0
    distance = min(abs(score - bound) for bound in bounds)
    return round(0.5 + min(0.5, 2 * distance), 4)
