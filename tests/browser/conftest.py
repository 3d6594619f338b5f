"""Needs Chromium, so it runs only where `make test-web` says where that is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.house import CHROMIUM, House, open_browser, open_house

collect_ignore_glob = [] if os.environ.get(CHROMIUM) else ["test_*.py"]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Shared by all tests."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One process for all tests."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    """A fresh visitor; whatever the console complains of, such as a breach of the policy, fails the test."""
    context = browser.new_context(base_url=house.url)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    foreign: list[str] = []
    opened.on("request", lambda request: None if request.url.startswith(house.url) else foreign.append(request.url))
    yield opened
    context.close()
    assert complaints == []
    assert foreign == []
