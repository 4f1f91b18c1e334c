"""`make screenshots`: the pictures in docs/screenshots, taken of the real page, bot and sandbox.

Each picture is taken in every language, on a desktop and on a phone: `answer-ja.png`,
`answer-ja-phone.png`. A new one is a function that brings the page into the state to show, and a
line in `SHOTS`. Names given on the command line take these pictures only, with what they need.

A font with Japanese and Chinese characters has to be installed (Debian: fonts-noto-cjk).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from bot.locale import say
from knowledge.language import Language

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BOT = "[data-testid=message][data-author=bot]"
SLOW = 90_000  # milliseconds: the first answer by meaning waits for the model
WIDTHS = {"": 1280, "-phone": 390}  # pixels, by the end of the picture's name
TALLEST = 1_900  # pixels; longer states show their end
COLOURS = 256  # of the palette

PROSE = {
    Language.EN: "My first image classifier stops at the very first batch. What am I doing wrong?",
    Language.JA: "画像分類の練習で、最初のバッチから止まってしまいます。どこが間違っていますか？",
    Language.ZH: "第一次写图像分类，第一个批次就报错停了。哪里写错了？",
}
CODE = """\
import torch
from torch import nn

model = nn.Sequential(nn.Flatten(), nn.Linear({width}, 10))
images = torch.randn(32, 1, 28, 28)
print(model(images).shape)
"""
ERROR = """\
Traceback (most recent call last):
  File "train.py", line 6, in <module>
    print(model(images).shape)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)
"""
PITFALLS = """\
import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(32, 4), torch.randint(0, 3, (32,))
for step in range(5):
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()
print(f"{loss.item():.3f}")
"""
LAB = """\
Traceback (most recent call last):
  File "/home/student/cluster/job.py", line 12, in <module>
    scheduler.reserve(node={node})
LabSchedulerError: node {node} is reserved for the robotics course until 18:00
"""
QUOTA = "QuotaError: the course has used up its hours on the printer"
PLOT = """\
import torch, matplotlib.pyplot as plt
torch.manual_seed(0)
x = torch.linspace(-3, 3, 200)
for name in ("relu", "tanh", "sigmoid"):
    plt.plot(x, getattr(torch, name)(x), label=name)
plt.legend()
print("three activations")
"""


@dataclass(frozen=True)
class Desk:
    """The page of one local Discord, read in one language."""

    page: Page
    language: Language

    def text(self, key: str) -> str:
        """A text of the bot."""
        return say(self.language, key)

    @property
    def newest(self) -> Locator:
        """The last message of the bot."""
        return self.page.locator(BOT).last

    def post(self, text: str) -> None:
        """Post a message and wait for the answer."""
        answers = self.page.locator(BOT)
        before = answers.count()
        self.page.get_by_test_id("composer").fill(text)
        self.page.get_by_test_id("composer").press("Enter")
        expect(answers).to_have_count(before + 1, timeout=SLOW)

    def press(self, key: str) -> None:
        """Press the newest button with this text of the bot."""
        self.page.get_by_role("button", name=self.text(key), exact=True).last.click()

    def command(self, name: str) -> None:
        """Choose a slash command."""
        self.page.get_by_test_id("composer").fill(f"/{name}")
        self.page.get_by_test_id(f"slash-{name.replace(' ', '-')}").wait_for()
        self.page.get_by_test_id("composer").press("Enter")

    def fill_form(self, text: str) -> None:
        """Fill the first field of the open form in and send it."""
        self.page.locator("dialog textarea").first.fill(text)
        self.page.get_by_test_id("modal-submit").click()

    def answered(self, key: str) -> None:
        """Wait until the newest message holds this text of the bot."""
        expect(self.newest).to_contain_text(self.text(key), timeout=SLOW)


def answer(desk: Desk) -> None:
    """A post with its explanation."""
    code = CODE.format(width=512)
    desk.post(f"{PROSE[desk.language]}\n```python\n{code}```\n```\n{ERROR}```")


def repair(desk: Desk) -> None:
    """A change that was found, run before and after."""
    desk.press("button.repair")
    desk.answered("repaired.title")


def verdict(desk: Desk) -> None:
    """A learner's own fix, run and confirmed."""
    desk.press("button.confirm")
    desk.fill_form(CODE.format(width=784))
    desk.answered("verdict.fixed.title")


def example(desk: Desk) -> None:
    """The entry's own example, run before and after."""
    desk.press("button.example")
    expect(desk.newest.get_by_test_id("embed")).to_have_count(2, timeout=SLOW)


def run(desk: Desk) -> None:
    """A run with output and a plot."""
    desk.command("run")
    desk.page.get_by_test_id("options-send").click()
    desk.fill_form(PLOT)
    desk.answered("run.title.ok")


def check(desk: Desk) -> None:
    """A file that runs, with warnings of what raises no error."""
    desk.command("run")
    desk.page.get_by_test_id("field-file").set_input_files(
        {"name": "train.py", "mimeType": "text/x-python", "buffer": PITFALLS.encode()}
    )
    desk.page.get_by_test_id("field-check").select_option("true")
    desk.page.get_by_test_id("options-send").click()
    expect(desk.newest).to_contain_text("silent-", timeout=SLOW)


def settings(desk: Desk) -> None:
    """What the admins of a server choose."""
    desk.command("tutor settings")
    desk.answered("settings.title")


def gaps(desk: Desk) -> None:
    """What nobody could answer, the same problem once."""
    messages = desk.page.locator(BOT)
    shown = messages.count()
    desk.command("tutor settings")
    # The panel of another picture may be there already, with the same button.
    expect(messages).to_have_count(shown + 1, timeout=SLOW)
    desk.press("settings.store_posts.to.on")
    desk.answered("settings.store_posts.on")
    for post in (QUOTA, *(LAB.format(node=node) for node in (3, 7, 12))):
        answers = desk.page.locator(BOT)
        before = answers.count()
        desk.command("explain")
        desk.page.get_by_test_id("options-send").click()
        desk.fill_form(post)
        expect(answers).to_have_count(before + 1, timeout=SLOW)
        desk.answered("unsure.title")
    desk.command("tutor gaps")
    desk.answered("gaps.title")


# In the order in which they are taken, on one page: how many messages each shows, from the end.
SHOTS: dict[Callable[[Desk], None], int] = {
    answer: 2,
    repair: 1,
    verdict: 1,
    example: 1,
    run: 1,
    check: 1,
    settings: 1,
    gaps: 1,
}
NEEDS = {repair: answer, verdict: answer, example: answer}


def fit(page: Page, messages: int, width: int) -> None:
    """Make the window as wide as `width`, and as high as the last messages need."""
    page.set_viewport_size({"width": width, "height": TALLEST})
    page.evaluate("tutorPage.markUnread(''); tutorPage.toBottom()")
    page.wait_for_timeout(300)
    height = page.evaluate(
        """(count) => {
            const shown = [...document.querySelectorAll(".message-slot")].slice(-count);
            const log = document.querySelector("#log");
            const top = shown[0].getBoundingClientRect().top;
            const end = document.querySelector("#messages").getBoundingClientRect().bottom;
            return innerHeight - log.clientHeight + Math.max(420, end - top);
        }""",
        messages,
    )
    page.set_viewport_size({"width": width, "height": min(TALLEST, int(height))})
    page.evaluate("tutorPage.toBottom()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


def save(page: Page, name: str) -> None:
    """Write what the page shows now, with a palette: a tenth of the size, the same to the eye."""
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = FOLDER / f"{name}.png"
    shown.quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"docs/screenshots/{path.name}  {path.stat().st_size / 1024:.0f} KiB", flush=True)


def take(browser: Browser, url: str, language: Language, wanted: set[str]) -> None:
    """The wanted pictures in one language."""
    page = browser.new_page(viewport={"width": WIDTHS[""], "height": 900})
    page.goto(f"{url}/?lang={language.value}")
    presence = page.get_by_test_id("bot-presence")
    expect(presence).to_have_attribute("data-online", "yes", timeout=SLOW)
    page.wait_for_timeout(1500)  # the bot registers its commands right after it logged in
    desk = Desk(page, language)
    needed = {NEEDS[shot] for shot in SHOTS if shot.__name__ in wanted and shot in NEEDS}
    for shot, messages in SHOTS.items():
        if shot.__name__ not in wanted and shot not in needed:
            continue
        page.set_viewport_size({"width": WIDTHS[""], "height": 900})
        shot(desk)
        if shot.__name__ not in wanted:
            continue
        for end, width in WIDTHS.items():
            fit(page, messages, width)
            save(page, f"{shot.__name__}-{language.value}{end}")
    page.close()


@contextmanager
def local_discord() -> Iterator[str]:
    """A fresh `tutor local`; gives its address."""
    command = [sys.executable, "-m", "bot", "local", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        address = re.search(r"http://\S+", server.stdout.readline() if server.stdout else "")
        if address is None:
            sys.exit("The local Discord did not start; what it said stands above.")
        yield address[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def main() -> None:
    """Take the pictures, each language on a local Discord of its own."""
    names = [shot.__name__ for shot in SHOTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names)}; none: all")
    wanted = set(parser.parse_args().names or names)
    if unknown := wanted - set(names):
        parser.error(f"no picture is called {', '.join(sorted(unknown))}")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not here; `tools/setup.sh browser .venv` brings it.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for language in Language:
            with local_discord() as url:
                take(browser, url, language, wanted)
        browser.close()


if __name__ == "__main__":
    main()
