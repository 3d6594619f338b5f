"""Choose a branch by looking at the query alone; one way of choosing a file."""

from __future__ import annotations

from mirepoix.spec import Route
from mirepoix.views import Decision
from pipelines.routers.complexity import route_by_complexity
from pipelines.routers.task import route_by_task


def choose_branch(node: Route, query: str, task: str | None) -> tuple[int, Decision]:
    """The index of the branch to take and why; `task` is what the producer said the work is, if anything."""
    if node.by == "complexity":
        return route_by_complexity(node, query)
    return route_by_task(node, query, task)
