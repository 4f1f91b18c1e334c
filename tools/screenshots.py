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
BOT = "[data-testid=message][data-author=bot]"
DEEPER = """\
MNIST の自作モデルが forward で止まります。どこを直せばいいでしょうか？
```python
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc(x.flatten(1))

model = Net()
images = torch.randn(4, 1, 28, 28)
logits = model(images)
```
RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x400 and 784x10)
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
    return page.locator(BOT).count()


def example(page: Page, name: str) -> None:
    """Click an example post, wait for the answer, press its first button, wait for the runs."""
    before = answers(page)
    page.get_by_test_id(f"example-{name}").click()
    bot = page.locator(BOT)
    expect(bot).to_have_count(before + 1, timeout=SLOW)
    page.wait_for_timeout(500)


def post(page: Page, text: str) -> None:
    """Post a message and wait for the answer."""
    before = answers(page)
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("composer").press("Enter")
    expect(page.locator(BOT)).to_have_count(before + 1, timeout=SLOW)
    page.wait_for_timeout(500)


def press(page: Page, label: str) -> None:
    """Press a button of the newest answer and wait for the runs."""
    page.locator(BOT).last.get_by_role("button", name=label).click()
    expect(page.locator(BOT).last.get_by_test_id("embed")).to_have_count(2, timeout=SLOW)


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
    press(page, "Run the example")
    picture(page, "before-and-after")
    example(page, "shapes")
    press(page, "Find a repair")
    picture(page, "repair")
    page.get_by_test_id("composer").fill("/run")
    page.get_by_test_id("slash-run").wait_for()
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("options-send").click()
    page.locator("dialog textarea").first.fill(PLOT)
    page.get_by_test_id("modal-submit").click()
    last = page.locator(BOT).last
    expect(last).to_contain_text("three activations", timeout=SLOW)
    picture(page, "run")
    japanese = opened(browser, url, "ja", height=1500)
    example(japanese, "target")
    picture(japanese, "answer-ja")
    chinese = opened(browser, url, "zh", width=390, height=844)
    example(chinese, "accuracy")
    picture(chinese, "phone-zh")
    phone = opened(browser, url, "ja", width=390, height=1900)
    post(phone, DEEPER)
    press(phone, "直し方を試す")
    picture(phone, "phone-repair-ja")
    phone.locator(BOT).last.get_by_role("button", name="データの流れを図で").click()
    expect(phone.locator(BOT).last.locator("img[src*='layers']")).to_be_visible(timeout=SLOW)
    phone.set_viewport_size({"width": 390, "height": 1000})
    picture(phone, "phone-layers-ja")
    checked = opened(browser, url, "zh", width=390, height=1000)
    checked.get_by_test_id("composer").fill("/run")
    checked.get_by_test_id("slash-run").wait_for()
    checked.get_by_test_id("composer").press("Enter")
    checked.get_by_test_id("field-file").set_input_files(
        [{"name": "train.py", "mimeType": "text/x-python", "buffer": PITFALLS.encode()}]
    )
    checked.get_by_test_id("field-check").select_option("true")
    checked.get_by_test_id("options-send").click()
    expect(checked.locator(BOT).last).to_contain_text("silent-", timeout=SLOW)
    picture(checked, "phone-check-zh")


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
