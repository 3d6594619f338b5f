"""Route by the kind of work: what the producer said it is, else what the words of the query suggest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mirepoix.spec import Route
from pipelines.routers.expectation import Candidate
from pipelines.routers.preference import Preference
from pipelines.routers.query import Query

SIGNS: dict[str, re.Pattern[str]] = {
    task: re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for task, pattern in {
        "code": r"```|\b(python|javascript|typescript|java|rust|golang|c\+\+|sql|bash|regex|function|compilers?|bug|"
        r"stack ?trace|snippet|refactor|unit tests?|code|script|print\(|def |class \w+|big-?o|runtime|expression)\b",
        "math": r"\b(calculate|compute|solve|equation|integral|derivative|probability|sum|product|percent|square root|"
        r"average|mean|median|how many|fraction|prime|divided|multiplied|times|plus|minus|factorial|interest)\b|"
        r"\d\s*[-+*/^\u00d7\u00f7=]\s*\d|\d+\s*%",
        "summary": r"\b(summari[sz]e|summary|tl;?dr|key points|main points|in brief|condense|abstract of|outline)\b",
        "translation": r"\b(translate|translation|into (?:english|french|german|spanish|italian|chinese|japanese)|"
        r"in (?:french|german|spanish|italian|chinese|japanese))\b",
        "extraction": r"\b(extract|list all|find all|fields?|json|table of|named entities|parse)\b",
        "analysis": r"\b(why|analy[sz]e|compare|contrast|evaluate|assess|trade-?offs?|argue|explain|reason|"
        r"implications?|suppose|deduce|conclude|consider)\b",
        "creative": r"\b(poem|story|haiku|slogan|lyrics|write a (?:song|tale|scene)|joke|tagline)\b",
        "fact": r"^\s*(who|what|when|where|which|name)\b",
    }.items()
}
WEIGHTS = {"fact": 0.5}


def classify(query: str) -> dict[str, float]:
    """How much each known kind of work is suggested by the words of `query`: shares of 1, the strongest first."""
    scores = {task: len(sign.findall(query)) * WEIGHTS.get(task, 1.0) for task, sign in SIGNS.items()}
    total = sum(scores.values())
    ranked = sorted(((task, score / total) for task, score in scores.items() if score), key=lambda pair: -pair[1])
    return {task: round(share, 4) for task, share in ranked}


def by_task(node: Route, query: Query, candidates: Sequence[Candidate]) -> Preference:
    """The branch of the given task, else of the most suggested one that has a branch, else the default.

    Where that is ruled out, the default; where that is too, the first that can answer.
    """
    branches = {branch.task: index for index, branch in enumerate(node.to) if branch.task is not None}
    default = len(node.to) - 1
    features: dict[str, Any] = {"given": query.task, "known": sorted(branches)}
    if query.task is not None:
        named = query.task in branches
        reason = f"the producer says it is {query.task!r}" + ("" if named else ", which has no branch of its own")
        return Preference(_open(candidates, branches.get(query.task, default), default), reason, 1.0, features)
    shares = classify(query.text)
    features |= {"suggested": shares}
    for task, share in shares.items():
        if task in branches:
            index = _open(candidates, branches[task], default)
            return Preference(index, f"its words suggest {task!r}", share, features)
    reason = "its words suggest none of the tasks that have a branch"
    return Preference(_open(candidates, default, default), reason, 0.5, features)


def _open(candidates: Sequence[Candidate], *wanted: int) -> int:
    known = [candidate.index for candidate in candidates]
    return next((index for index in wanted if index in known), known[0])
