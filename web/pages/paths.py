"""The addresses of the pages, in one place: what is routed and what is linked to."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request

PATHS = {
    "overview": "/",
    "live": "/live",
    "jobs": "/jobs",
    "job": "/jobs/{job}",
    "job_text": "/jobs/{job}/text/{side}",
    "cancel": "/jobs/{job}/cancel",
    "replay": "/jobs/{job}/replay",
    "content": "/contents/{hash}",
    "pipelines": "/pipelines",
    "pipeline": "/pipelines/{pipeline}",
    "costs": "/costs",
    "router": "/router",
    "static": "/static/{path}",
}


def path_of(request: Request, name: str, /, **values: str) -> str:
    """The path of a page. Without scheme and host, which a visitor's `Host` header would choose.

    Starlette finds an address by going through all routes; a page has a hundred links.
    """
    path = PATHS[name].format_map({key: quote(value, safe="") for key, value in values.items()})
    return str(request.scope.get("root_path", "")) + path
