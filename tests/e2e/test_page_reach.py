"""The page for fingers, for the keyboard and for narrow windows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e_processes import OpenPage
from page_acts import newest, post, use_command
from playwright.sync_api import Page, expect

_PHONE = 390  # pixels
_FINGER = 40  # pixels

# Controls that are seen and lower or narrower than a finger needs. A link in running text may be.
_TOO_SMALL = """(least) => [...document.querySelectorAll(
        "button, select, summary, [role=button], [role=option], [role=menuitem], .file-head a")]
    .filter((item) => !item.matches("[data-spoiler]"))  // running text
    .filter((item) => item.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
    .filter((item) => !item.closest(".sidebar") || document.body.matches(".sidebar-open"))
    .map((item) => [item, item.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < least - 0.5 || box.width < least - 0.5))
    .map(([item, box]) => `${item.className} ${item.textContent.trim()} ${box.width}x${box.height}`)
"""


@pytest.fixture
def phone(open_page: OpenPage, sample_url: str) -> Iterator[Page]:
    opened = open_page(sample_url, width=_PHONE, height=844)
    expect(opened.get_by_test_id("bot-presence")).to_have_attribute("data-online", "yes")
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth") <= _PHONE


def too_small(page: Page) -> list[str]:
    found: list[str] = page.evaluate(_TOO_SMALL, _FINGER)
    return found


def test_everything_to_touch_is_as_large_as_a_finger(phone: Page) -> None:
    post(phone, "selects")
    post(phone, "press me")
    newest(phone, "bot").get_by_role("button", name="Run the example").click()
    expect(newest(phone, "bot").locator(".file-preview")).to_be_visible()
    assert too_small(phone) == []
    newest(phone, "bot").get_by_test_id("more").click()
    expect(phone.get_by_test_id("menu")).to_be_visible()
    assert too_small(phone) == []
    phone.keyboard.press("Escape")
    use_command(phone, "explain")
    expect(phone.get_by_test_id("options")).to_be_visible()
    assert too_small(phone) == []
    phone.get_by_test_id("options-cancel").click()
    phone.get_by_test_id("burger").click()
    expect(phone.get_by_test_id("channel-general")).to_be_in_viewport()
    assert too_small(phone) == []


def test_a_form_fits_a_phone_and_its_buttons_are_in_reach(phone: Page) -> None:
    use_command(phone, "survey")
    expect(phone.get_by_test_id("modal-submit")).to_be_in_viewport(ratio=1)
    assert too_small(phone) == []
    phone.keyboard.press("Escape")
    expect(phone.get_by_test_id("modal")).to_have_count(0)


def test_a_long_line_is_wrapped_or_scrolled_inside_its_message(phone: Page) -> None:
    long = "x" * 300
    post(phone, f"{long}\n```py\n{long}\n```\nhttps://docs.pytorch.org/{long}")
    log = phone.locator("#log")
    assert log.evaluate("(log) => log.scrollWidth <= log.clientWidth")


def test_a_finger_that_stays_on_a_message_opens_its_menu(phone: Page) -> None:
    post(phone, "hold me")
    newest(phone, "you").get_by_test_id("content").dispatch_event(
        "pointerdown", {"pointerType": "touch", "clientX": 100, "clientY": 300}
    )
    expect(phone.get_by_test_id("menu")).to_be_visible()


def test_the_channel_list_closes_with_escape_and_by_touching_beside_it(phone: Page) -> None:
    general = phone.get_by_test_id("channel-general")
    phone.get_by_test_id("burger").click()
    expect(general).to_be_in_viewport()
    phone.keyboard.press("Escape")
    expect(general).not_to_be_in_viewport()
    phone.get_by_test_id("burger").click()
    phone.mouse.click(_PHONE - 20, 400)
    expect(general).not_to_be_in_viewport()


def test_the_page_begins_with_a_way_to_the_text_field(sample_page: Page) -> None:
    skip = sample_page.get_by_role("link", name="Skip to the text field")
    expect(sample_page.locator("a, button, select, textarea").first).to_have_class("skip")
    skip.focus()
    expect(skip).to_be_in_viewport()
    sample_page.keyboard.press("Enter")
    expect(sample_page.get_by_test_id("composer")).to_be_focused()


def test_escape_lets_go_of_a_reply(sample_page: Page) -> None:
    answer = post(sample_page, "answer me")
    answer.focus()
    sample_page.keyboard.press("Enter")
    expect(sample_page.get_by_role("menuitem", name="Reply")).to_be_focused()
    sample_page.keyboard.press("Enter")
    expect(sample_page.get_by_text("Replying to Traceback Tutor")).to_be_visible()
    expect(sample_page.get_by_test_id("composer")).to_be_focused()
    sample_page.keyboard.press("Escape")
    expect(sample_page.get_by_text("Replying to Traceback Tutor")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "ja", "zh"])
def test_every_control_has_a_name_for_screen_readers(
    open_page: OpenPage, sample_url: str, language: str
) -> None:
    page = open_page(sample_url, language)
    post(page, "selects")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll(
                "button, select, textarea, summary, a, [role=button]")]
            .filter((item) => !(item.ariaLabel || item.textContent.trim() || item.labels?.length
                || item.querySelector("img[alt]:not([alt=''])")))
            .map((item) => item.outerHTML)"""
    )
    assert unnamed == []
