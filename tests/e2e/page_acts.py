"""What tests do on the page again and again."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

BOT = "[data-testid=message][data-author=bot]"
_SOON = 20_000  # milliseconds: a busy machine may take its time


def newest(page: Page, author: str) -> Locator:
    """The last message of the bot, of "you" or of "learner"."""
    return page.locator(f'[data-testid=message][data-author="{author}"]').last


def write(page: Page, text: str) -> Locator:
    """Write a message, wait until it stands there, and give it."""
    own = page.locator('[data-testid=message][data-author="you"]')
    before = own.count()
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("composer").press("Enter")
    expect(own).to_have_count(before + 1, timeout=_SOON)
    return own.nth(before)


def post(page: Page, text: str) -> Locator:
    """Write a message, wait until the bot has answered it, and give the answer."""
    answers = page.locator(BOT)
    before = answers.count()
    write(page, text)
    expect(answers).to_have_count(before + 1, timeout=_SOON)
    return answers.nth(before)


def use_command(page: Page, name: str) -> None:
    """Choose a slash command with the keyboard."""
    page.get_by_test_id("composer").fill(f"/{name}")
    page.get_by_test_id(f"slash-{name.replace(' ', '-')}").wait_for()
    page.get_by_test_id("composer").press("Enter")
