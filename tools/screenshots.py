"""`make screenshots`: the pictures in docs/screenshots, taken of the real page, bot and sandbox.

A font with Japanese and Chinese characters has to be installed (Debian: fonts-noto-cjk).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SLOW = 90_000  # milliseconds: the first answer by meaning waits for the model
PLOT = """\
import torch, matplotlib.pyplot as plt
torch.manual_seed(0)
x = torch.linspace(-3, 3, 200)
for name in ("relu", "tanh", "sigmoid"):
    plt.plot(x, getattr(torch, name)(x), label=name)
plt.legend()
print("three activations")
"""


def opened(browser: Browser, url: str, language: str, width: int = 1280, height: int = 900) -> Page:
    """The page of the local Discord, with the bot logged in."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{url}/?lang={language}")
    presence = page.get_by_test_id("bot-presence")
    expect(presence).to_have_attribute("data-online", "yes", timeout=SLOW)
    page.wait_for_timeout(1500)  # the bot registers its commands right after it logged in
    return page


def answers(page: Page) -> int:
    """How many messages the bot has written."""
    return page.locator("[data-testid=message][data-author=bot]").count()


def example(page: Page, name: str) -> None:
    """Click an example post, wait for the answer, press its first button, wait for the runs."""
    before = answers(page)
    page.get_by_test_id(f"example-{name}").click()
    bot = page.locator("[data-testid=message][data-author=bot]")
    expect(bot).to_have_count(before + 1, timeout=SLOW)
    page.wait_for_timeout(500)


def picture(page: Page, name: str) -> None:
    """Save what the page shows now."""
    page.wait_for_timeout(700)
    page.screenshot(path=FOLDER / f"{name}.png")
    print(f"docs/screenshots/{name}.png")


def take(browser: Browser, url: str) -> None:
    """All pictures."""
    page = opened(browser, url, "en", height=1500)
    picture(page, "welcome")
    example(page, "shapes")
    picture(page, "answer")
    page.locator("[data-testid=message][data-author=bot]").last.get_by_role("button").first.click()
    last = page.locator("[data-testid=message][data-author=bot]").last
    expect(last.get_by_test_id("embed")).to_have_count(2, timeout=SLOW)
    picture(page, "before-and-after")
    page.get_by_test_id("composer").fill("/run")
    page.get_by_test_id("slash-run").wait_for()
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("options-send").click()
    page.locator("dialog textarea").first.fill(PLOT)
    page.get_by_test_id("modal-submit").click()
    last = page.locator("[data-testid=message][data-author=bot]").last
    expect(last).to_contain_text("three activations", timeout=SLOW)
    picture(page, "run")
    japanese = opened(browser, url, "ja", height=1500)
    example(japanese, "target")
    picture(japanese, "answer-ja")
    chinese = opened(browser, url, "zh", width=390, height=844)
    example(chinese, "accuracy")
    picture(chinese, "phone-zh")


def main() -> None:
    """Start the local Discord, take the pictures, stop it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not here; `tools/setup.sh browser .venv` brings it.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bot", "local", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        first_line = server.stdout.readline() if server.stdout else ""
        address = re.search(r"http://\S+", first_line)
        if address is None:
            sys.exit("The local Discord did not start.")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            take(browser, address[0])
            browser.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


if __name__ == "__main__":
    main()
