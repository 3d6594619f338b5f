"""`mirepoix web` for tests, and jobs worth looking at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from types import MappingProxyType

import httpx

from mirepoix.views import JobView
from tests.system.world import PATIENCE, World, responds
from workers.stack import free_port

HOSTILE = (
    '</title></textarea></script><script>window.pwned=1</script><img src=x onerror="window.pwned=2">'
    "<svg/onload=window.pwned=3> {{ 7*7 }} ${7*7} javascript:alert(1) \u202egnirts desrever\u2066 \x1b[31mred\x07 "
    "&lt;script&gt; '\"><a href=javascript:window.pwned=4>click</a>"
)
QUESTION = "What is the capital of France?"


@contextmanager
def serving(world: World, environ: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """The address of the pages of `world`, while the block runs."""
    port = free_port()
    name = f"web-{port}"
    world.start(name, "web", "--port", str(port), environ=environ)
    url = f"http://127.0.0.1:{port}"
    world.until(lambda: responds(f"{url}/healthz"), "the pages")
    try:
        yield url
    finally:
        world.stop(name)


def run_jobs(world: World, inputs: Mapping[str, str]) -> dict[str, JobView]:
    """Run a job of each pipeline to its end."""
    with world.client() as client:
        handles = {name: client.submit(name, text) for name, text in inputs.items()}
        return {name: handle.wait(PATIENCE) for name, handle in handles.items()}


def visitor(url: str) -> httpx.Client:
    """A program that visits the pages, and keeps cookies."""
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """The tags of a page with their attributes, as a parser reads them."""
    parser = _Tags()
    parser.feed(html)
    return parser.seen
