"""Chromium without a window, and processes of the local Discord to look at with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from discord_requests import description
from e2e_processes import ROOT, OpenPage, broken_requests, started
from playwright.sync_api import Browser, Page, expect, sync_playwright

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for one module: Playwright's event loop must be gone before asynchronous tests."""
    if not _CHROMIUM:
        pytest.fail("Chromium is not here; `make test` (or apt-get install chromium) brings it")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*_FLAGS])
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages that must neither complain on the console nor ask anybody else for anything."""
    complaints: list[str] = []
    contexts = []

    def open_one(url: str, language: str = "en", *, width: int = 1280, height: int = 800) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda entry: complaints.append(entry.text) if entry.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                complaints.append(f"asked {request.url}")
                if urlsplit(request.url).hostname not in ("127.0.0.1", None)
                else None
            ),
        )
        page.goto(f"{url}/?lang={language}")
        page.get_by_test_id("welcome").wait_for()
        page.wait_for_function("window.tutorPage !== undefined")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def sample_url() -> Iterator[str]:
    """A local Discord with the small bot of `sample_bot.py` logged in to it."""
    server = [sys.executable, "-m", "bot.local", "0"]
    bot_script = str(Path(__file__).parent / "sample_bot.py")
    with started(server) as url:
        gateway = url.replace("http://", "ws://") + "/gateway"
        bot = subprocess.Popen(
            [sys.executable, bot_script, f"{url}/api/v10", gateway, "local"], cwd=ROOT
        )
        try:
            yield url
        finally:
            bot.terminate()
            bot.wait(10)


@pytest.fixture
def sample_page(open_page: OpenPage, sample_url: str) -> Iterator[Page]:
    """The page of that local Discord with the small bot online."""
    opened = open_page(sample_url)
    expect(opened.get_by_test_id("bot-presence")).to_have_attribute("data-online", "yes")
    yield opened
    if description():
        assert broken_requests(sample_url) == []


@pytest.fixture(scope="module")
def tutor_url() -> Iterator[str]:
    """The whole: `tutor local` with the real bot, the real search and the real sandbox."""
    with started([sys.executable, "-m", "bot", "local", "--port", "0"]) as url:
        yield url
