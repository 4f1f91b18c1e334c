"""The main job, seen by a learner: the page, the real bot and the real sandbox together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from discord_requests import description
from e2e_processes import OpenPage, broken_requests
from playwright.sync_api import Locator, Page, expect

from knowledge.entry import load_entries
from knowledge.language import Language

_LOCALES = Path(__file__).parents[2] / "bot" / "locales"
_SLOW = 60_000  # milliseconds: the first answer may wait for the model, the first run for torch
_PROSE = {
    Language.EN: "My model stops with this error, why?",
    Language.JA: "このエラーでモデルが止まります。なぜでしょうか？",
    Language.ZH: "模型报了这个错就停了，是什么原因？",
}
_CODE = """import torch
from torch import nn
layer = nn.Linear({width}, 10)
print(layer(torch.ones(32, 1, 28, 28).flatten(1)).shape)
"""
_TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 4, in <module>
    print(layer(torch.ones(32, 1, 28, 28).flatten(1)).shape)
  File "torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x784 and 300x10)"""


_PITFALL = """import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
for step in range(3):
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(net(x), y).backward()
    optimizer.step()
"""


def text(key: str, language: Language) -> str:
    """A text of the bot."""
    entry = json.loads((_LOCALES / f"{language.value}.json").read_text("utf-8"))[key]
    return str(entry["text"] if isinstance(entry, dict) else entry)


def title(slug: str, language: Language) -> str:
    """The title of an entry."""
    return next(entry for entry in load_entries() if entry.slug == slug).texts[language].title


@pytest.fixture(params=[*Language], ids=str)
def language(request: pytest.FixtureRequest) -> Language:
    return Language(request.param)


@pytest.fixture
def page(open_page: OpenPage, tutor_url: str, language: Language) -> Page:
    opened = open_page(tutor_url, language.value)
    presence = opened.get_by_test_id("bot-presence")
    expect(presence).to_have_attribute("data-online", "yes", timeout=_SLOW)
    opened.wait_for_timeout(1_000)  # the bot registers its commands right after it logged in
    return opened


def newest(page: Page) -> Locator:
    """The last message of the bot."""
    return page.locator("[data-testid=message][data-author=bot]").last


def ask(page: Page, post: str) -> Locator:
    """Post a message and give the bot's answer."""
    answers = page.locator("[data-testid=message][data-author=bot]")
    before = answers.count()
    page.get_by_test_id("composer").fill(post)
    page.get_by_test_id("composer").press("Enter")
    expect(answers).to_have_count(before + 1, timeout=_SLOW)
    return answers.nth(before)


def post_in(language: Language) -> str:
    code = _CODE.format(width=300)
    return f"{_PROSE[language]}\n```py\n{code}```\n```\n{_TRACEBACK}\n```"


def test_a_posted_traceback_is_explained_with_its_own_numbers(
    page: Page, language: Language
) -> None:
    answer = ask(page, post_in(language))
    expect(answer).to_contain_text(title("matmul-shape-mismatch", language))
    for number in ("784", "300", "32"):
        expect(answer.get_by_test_id("embed").first).to_contain_text(number)


def test_run_the_example_shows_that_it_failed_before_and_ran_after(
    page: Page, language: Language
) -> None:
    answer = ask(page, post_in(language))
    answer.get_by_role("button", name=text("button.example", language)).click()
    result = newest(page)
    expect(result.get_by_test_id("embed")).to_have_count(2, timeout=_SLOW)
    before, after = result.get_by_test_id("embed").all()
    expect(before).to_contain_text("RuntimeError: mat1 and mat2 shapes cannot be multiplied")
    expect(after).to_contain_text(text("outcome.ok", language))
    expect(after).not_to_contain_text("RuntimeError")


def test_a_fix_is_confirmed_by_running_it(page: Page, language: Language) -> None:
    answer = ask(page, post_in(language))
    answer.get_by_role("button", name=text("button.confirm", language)).click()
    page.locator("dialog textarea").first.fill(_CODE.format(width=784))
    page.get_by_test_id("modal-submit").click()
    expect(newest(page)).to_contain_text(text("verdict.fixed.title", language), timeout=_SLOW)


def test_a_repair_is_found_run_and_shown_as_a_diff(page: Page, language: Language) -> None:
    answer = ask(page, post_in(language))
    answer.get_by_role("button", name=text("button.repair", language)).click()
    repair = newest(page)
    expect(repair).to_contain_text(text("repaired.title", language), timeout=_SLOW)
    expect(repair).to_contain_text("-layer = nn.Linear(300, 10)")
    expect(repair).to_contain_text("+layer = nn.Linear(784, 10)")
    # What the failing line saw, and the way of the data to it.
    expect(repair).to_contain_text("[32,784] → ")
    expect(repair).to_contain_text(text("scene.fails_here", language))

    repair.get_by_role("button", name=text("button.picture", language)).click()
    expect(newest(page).locator("img[src*='layers']")).to_be_visible(timeout=_SLOW)


def test_run_with_check_warns_of_what_raises_no_error(page: Page, language: Language) -> None:
    page.get_by_test_id("composer").fill("/run")
    page.get_by_test_id("slash-run").wait_for()
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("field-file").set_input_files(
        [{"name": "train.py", "mimeType": "text/x-python", "buffer": _PITFALL.encode()}]
    )
    page.get_by_test_id("field-check").select_option("true")
    page.get_by_test_id("options-send").click()
    warning = text("check.softmax_before_cross_entropy", language)
    expect(newest(page)).to_contain_text(warning, timeout=_SLOW)
    expect(newest(page)).to_contain_text("silent-softmax-before-ce")


def test_run_takes_code_from_its_form(page: Page, language: Language) -> None:
    page.get_by_test_id("composer").fill("/run")
    page.get_by_test_id("slash-run").wait_for()
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("options-send").click()
    page.locator("dialog textarea").first.fill("import torch\nprint(torch.arange(7).sum())")
    page.get_by_test_id("modal-submit").click()
    expect(newest(page)).to_contain_text("tensor(21)", timeout=_SLOW)
    expect(newest(page)).to_contain_text(text("run.title.ok", language))


def test_explain_takes_a_file(page: Page, language: Language, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(_TRACEBACK, encoding="utf-8")
    page.get_by_test_id("composer").fill("/explain")
    page.get_by_test_id("slash-explain").wait_for()
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("field-file").set_input_files(log)
    expect(page.locator(".file-names")).to_have_text("train.log")
    page.get_by_test_id("options-send").click()
    heading = title("matmul-shape-mismatch", language)
    expect(newest(page)).to_contain_text(heading, timeout=_SLOW)
    expect(newest(page)).to_contain_text("784")


def test_a_greeting_is_left_unanswered(page: Page) -> None:
    answers = page.locator("[data-testid=message][data-author=bot]").count()
    page.get_by_test_id("composer").fill("Good morning, see you at eight")
    page.get_by_test_id("composer").press("Enter")
    page.wait_for_timeout(2_000)
    expect(page.locator("[data-testid=message][data-author=bot]")).to_have_count(answers)


@pytest.mark.skipif(not description(), reason="Discord's OpenAPI description is not here")
def test_every_request_of_the_bot_keeps_to_discords_description(tutor_url: str) -> None:
    assert broken_requests(tutor_url) == []
