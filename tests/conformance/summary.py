"""How many checks each SDK passed, from the reports of its tests (`tests/conformance/test_NAME_sdk.py`)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_NODE = re.compile(r"tests/conformance/test_(\w+)_sdk\.py::")
_COUNTED = ("passed", "failed", "error")


def tell_conformance(stats: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    """A line for each SDK whose tests ran; `stats` holds pytest's reports by outcome, of all worker processes."""
    counts: dict[str, Counter[str]] = {}
    for outcome in _COUNTED:
        for report in stats.get(outcome, ()):
            node = _NODE.match(getattr(report, "nodeid", ""))
            if node is not None:
                counts.setdefault(node.group(1).replace("_", "-"), Counter())[outcome] += 1
    for name, count in sorted(counts.items()):
        yield f"official SDK {name}{_version(name)}: {count['passed']} of {count.total()} checks passed"


def _version(name: str) -> str:
    try:
        return f" {version(name)}"
    except PackageNotFoundError:
        return ""
