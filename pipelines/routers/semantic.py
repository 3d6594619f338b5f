"""Route by meaning: to the branch that has the example most like the query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from mirepoix.spec import Route
from pipelines.routers.expectation import Candidate
from pipelines.routers.ngrams import NGrams
from pipelines.routers.plugins import load
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query

EMBEDDINGS = "mirepoix.embeddings"
AT_LEAST = 0.1
Vectors = Sequence[Sequence[float]]
Similarities = Callable[[str], list[float]]


def by_meaning(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """The branch of the nearest example; where none is near, a last branch without examples."""
    examples = tuple((c.index, text) for c in candidates for text in c.branch.examples or ())
    default = next((candidate for candidate in candidates if candidate.branch.examples is None), None)
    if not examples:
        return Preference(candidates[0].index, "no branch with examples can answer", 0.5)
    alike = _compared_with(node.embeddings, tuple(text for _, text in examples))(query.text)
    nearest = max(range(len(alike)), key=lambda number: alike[number])
    best: dict[int, float] = {}
    for (index, _), similarity in zip(examples, alike, strict=True):
        best[index] = max(best.get(index, 0.0), similarity)
    features = {"similarity": {f"to.{index}": round(value, 4) for index, value in best.items()}}
    floor = AT_LEAST if node.at_least is None else node.at_least
    if default is not None and alike[nearest] < floor:
        reason = f"no example is as near as {floor:.2f}; the nearest {alike[nearest]:.2f}"
        return Preference(default.index, reason, 0.5, features)
    chosen, example = examples[nearest]
    runner_up = max((value for index, value in best.items() if index != chosen), default=0.0)
    confidence = round(min(1.0, 0.5 + alike[nearest] - runner_up), 4)
    return Preference(chosen, f"most like its example {example[:80]!r} ({alike[nearest]:.2f})", confidence, features)


@lru_cache(maxsize=256)
def _compared_with(embeddings: str | None, examples: tuple[str, ...]) -> Similarities:
    """How like each of `examples` a text is, 0..1; the examples' vectors are computed once."""
    if embeddings in (None, "ngrams"):
        return NGrams(examples).similarities
    embed: Callable[[list[str]], Vectors] = load(embeddings, EMBEDDINGS)
    known = [_unit(vector) for vector in embed(list(examples))]

    def similarities(text: str) -> list[float]:
        (vector,) = embed([text])
        own = _unit(vector)
        return [max(0.0, sum(a * b for a, b in zip(own, other, strict=True))) for other in known]

    return similarities


def _unit(vector: Sequence[float]) -> list[float]:
    values = [float(value) for value in vector]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values] if length else values
