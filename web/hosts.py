"""By what name a request calls us.

A foreign page can make a browser read ours under a name of its own that leads to 127.0.0.1 (DNS rebinding); the `Host`
header then tells that name.
"""

from __future__ import annotations

from starlette.datastructures import Headers

OUR_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def calls_this_machine(headers: Headers) -> bool:
    """Whether the request calls us by a name that is this machine's own."""
    host = headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.lower() in OUR_NAMES
