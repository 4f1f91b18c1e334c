"""The page in headless Chromium, with a small real discord.py bot on the other side."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_processes import OpenPage
from page_acts import newest, post, use_command
from playwright.sync_api import Page, expect


@pytest.fixture
def page(sample_page: Page) -> Page:
    return sample_page


@pytest.mark.parametrize("name", ["shapes", "target", "accuracy"])
def test_an_example_is_posted_with_one_click_and_answered(page: Page, name: str) -> None:
    before = page.locator("[data-testid=message][data-author=bot]").count()
    page.get_by_test_id(f"example-{name}").click()
    expect(page.locator("[data-testid=message][data-author=bot]")).to_have_count(before + 1)
    answer = newest(page, "bot")
    expect(answer.get_by_test_id("embed-title")).to_have_text("The matrix shapes do not fit")
    expect(answer.get_by_test_id("embed-field")).to_have_count(2)
    expect(answer.get_by_test_id("reference")).to_be_visible()


def test_markup_of_a_message_is_shown_and_never_run(page: Page) -> None:
    attack = (
        '<img src=x onerror="window.broken=1"><script>window.broken=1</script> '
        "[x](javascript:alert(1)) `</code><b>` **bold** <svg/onload=window.broken=1>"
    )
    post(page, attack)
    text = newest(page, "you").get_by_test_id("content")
    expect(text).to_contain_text('<img src=x onerror="window.broken=1">')
    expect(text.locator("strong")).to_have_text("bold")
    expect(text.locator("img, script, svg, b, a")).to_have_count(0)
    assert page.evaluate("window.broken") is None


def test_a_fenced_traceback_keeps_its_lines_and_its_colours(page: Page) -> None:
    post(page, "```py\ndef f(x):\n    return x + 1\n```")
    code = newest(page, "you").locator("pre code")
    expect(code).to_have_text("def f(x):\n    return x + 1")
    expect(code.locator(".hl-k").first).to_have_text("def")


def test_shift_enter_makes_a_new_line(page: Page) -> None:
    composer = page.get_by_test_id("composer")
    composer.fill("one")
    composer.press("Shift+Enter")
    composer.type("two")
    composer.press("Enter")
    expect(newest(page, "you").get_by_test_id("content")).to_have_text("one\ntwo")


def test_a_button_shows_that_it_works_and_then_its_result(page: Page) -> None:
    post(page, "press me")
    newest(page, "bot").get_by_role("button", name="Run the example").click()
    expect(page.get_by_test_id("thinking").last).to_be_visible()
    result = newest(page, "bot")
    expect(result.get_by_test_id("content")).to_have_text("ran")
    expect(result.locator(".file-preview")).to_contain_text("step 2 loss 1.9")
    picture = result.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 120)


def test_a_button_can_change_its_message_and_be_disabled(page: Page) -> None:
    post(page, "press me")
    answer = newest(page, "bot")
    answer.get_by_role("button", name="Done").click()
    expect(answer.get_by_test_id("content")).to_contain_text("Done")
    expect(answer.get_by_role("button", name="Done")).to_be_disabled()


def test_a_button_that_nobody_answers_says_so_after_three_seconds(page: Page) -> None:
    post(page, "press me")
    answer = newest(page, "bot")
    answer.get_by_role("button", name="Silent").click()
    expect(answer.get_by_test_id("failed")).to_have_text("⚠ This interaction failed")


def test_a_command_that_nobody_answers_says_so_and_can_be_put_away(page: Page) -> None:
    use_command(page, "silent")
    expect(page.get_by_test_id("sending")).to_be_visible()
    notice = page.get_by_test_id("no-answer")
    expect(notice).to_contain_text("The application did not respond")
    notice.get_by_role("button").click()
    expect(notice).to_have_count(0)


def test_a_form_is_filled_in_and_answered_for_oneself_only(page: Page) -> None:
    post(page, "press me")
    newest(page, "bot").get_by_role("button", name="Confirm my fix").click()
    modal = page.get_by_test_id("modal")
    expect(modal.get_by_role("heading")).to_have_text("Confirm my fix")
    expect(modal.locator("textarea")).to_be_focused()
    modal.locator("textarea").fill("import torch\nprint(1)")
    modal.get_by_test_id("modal-submit").click()
    expect(modal).to_have_count(0)
    answer = newest(page, "bot")
    expect(answer.locator("pre")).to_have_text("import torch\nprint(1)")
    expect(answer.get_by_test_id("only-you")).to_contain_text("Only you can see this")
    answer.get_by_role("button", name="Dismiss message").click()
    expect(page.get_by_test_id("only-you")).to_have_count(0)


def test_an_empty_form_is_not_sent_and_escape_closes_it(page: Page) -> None:
    post(page, "press me")
    newest(page, "bot").get_by_role("button", name="Confirm my fix").click()
    page.get_by_test_id("modal-submit").click()
    expect(page.get_by_test_id("modal")).to_be_visible()
    expect(page.get_by_test_id("modal-note")).to_contain_text("“Code” is needed")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("modal")).to_have_count(0)


def test_a_select_is_answered(page: Page) -> None:
    post(page, "choose")
    newest(page, "bot").get_by_test_id("select").select_option("Two")
    expect(newest(page, "bot").get_by_test_id("content")).to_have_text("chose Two")


def test_a_slash_command_takes_text(page: Page) -> None:
    use_command(page, "explain")
    page.get_by_test_id("field-text").fill("why\nso")
    page.get_by_test_id("field-text").press("Enter")
    answer = newest(page, "bot")
    expect(answer.get_by_test_id("content")).to_have_text("en-US: why so")
    expect(answer.get_by_test_id("command-used")).to_contain_text("You used /explain")


def test_a_slash_command_takes_a_file(page: Page, tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    log.write_text("RuntimeError: from a file")
    use_command(page, "explain")
    page.get_by_test_id("field-file").set_input_files(log)
    expect(page.locator(".file-names")).to_have_text("error.log")
    page.get_by_test_id("options-send").click()
    expect(newest(page, "bot").get_by_test_id("content")).to_have_text(
        "en-US: RuntimeError: from a file"
    )


def test_a_slash_command_without_options_opens_its_form(page: Page) -> None:
    use_command(page, "explain")
    page.get_by_test_id("options-send").click()
    expect(page.get_by_test_id("modal")).to_be_visible()


def test_a_message_command_is_reached_by_right_click_and_by_keyboard(page: Page) -> None:
    post(page, "shout this")
    newest(page, "you").click(button="right")
    page.get_by_role("menuitem", name="Explain this error").click()
    expect(newest(page, "bot").get_by_test_id("content")).to_have_text("SHOUT THIS")
    newest(page, "you").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("menu")).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Explain this error")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("menu")).to_have_count(0)


def test_files_are_attached_to_a_message(page: Page) -> None:
    page.get_by_test_id("attach").set_input_files(
        {"name": "train.log", "mimeType": "text/plain", "buffer": b"line one\nline two"}
    )
    expect(page.get_by_test_id("pending-file")).to_contain_text("train.log")
    page.get_by_test_id("composer").press("Enter")
    expect(newest(page, "you").locator(".file-preview")).to_have_text("line one\nline two")
    expect(newest(page, "bot").get_by_test_id("content")).to_have_text("train.log")


def test_a_pasted_file_is_attached(page: Page) -> None:
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["pasted"], "pasted.txt", { type: "text/plain" }));
            document.querySelector("#composer").dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }"""
    )
    expect(page.get_by_test_id("pending-file")).to_contain_text("pasted.txt")


def test_a_message_longer_than_discord_takes_becomes_a_file(page: Page) -> None:
    post(page, "x" * 2_001)
    expect(newest(page, "you").get_by_test_id("attachment")).to_contain_text("message.txt")
    expect(page.get_by_test_id("note")).to_contain_text("2000 characters")


def test_an_own_message_is_edited_with_arrow_up_and_deleted(page: Page) -> None:
    post(page, "first wording")
    page.get_by_test_id("composer").press("ArrowUp")
    expect(page.get_by_test_id("composer")).to_have_value("first wording")
    page.get_by_test_id("composer").fill("second wording")
    page.get_by_test_id("composer").press("Enter")
    own = newest(page, "you")
    expect(own.get_by_test_id("content")).to_have_text("second wording(edited)")
    expect(newest(page, "bot")).to_contain_text("edited to second wording")
    count = page.locator('[data-author="you"][data-testid=message]').count()
    own.hover()
    own.get_by_test_id("more").click()
    page.get_by_test_id("menu-delete").click()
    expect(page.locator('[data-author="you"][data-testid=message]')).to_have_count(count - 1)


def test_what_one_person_alone_may_see_is_hidden_from_the_other(page: Page) -> None:
    post(page, "whisper to me")
    newest(page, "you").click(button="right")
    page.get_by_role("menuitem", name="Explain this error").click()
    expect(page.get_by_text("WHISPER TO ME", exact=True)).to_be_visible()
    page.get_by_test_id("persona").select_option(label="Learner")
    expect(page.get_by_text("WHISPER TO ME", exact=True)).to_have_count(0)
    expect(page.get_by_text("whisper to me", exact=True).first).to_be_visible()


def test_two_windows_show_the_same_channel(
    page: Page, open_page: OpenPage, sample_url: str
) -> None:
    other = open_page(sample_url)
    post(page, "seen by both")
    expect(newest(other, "you").get_by_test_id("content")).to_have_text("seen by both")


@pytest.mark.parametrize(
    ("language", "locale", "command", "placeholder"),
    [
        ("ja", "ja", "/解説", "#help へメッセージを送信"),
        ("zh", "zh-CN", "/解释", "给 #help 发消息"),
    ],
)
def test_page_commands_and_interactions_follow_the_language(
    page: Page, language: str, locale: str, command: str, placeholder: str
) -> None:
    page.get_by_test_id("language").select_option(language)
    expect(page.get_by_test_id("composer")).to_have_attribute("placeholder", placeholder)
    page.get_by_test_id("composer").fill(command)
    expect(page.get_by_test_id("slash-explain")).to_contain_text(command)
    page.get_by_test_id("composer").press("Enter")
    page.get_by_test_id("field-text").fill("x")
    page.get_by_test_id("field-text").press("Enter")
    expect(newest(page, "bot").get_by_test_id("content")).to_have_text(f"{locale}: x")
    assert page.evaluate("document.documentElement.lang") == locale
    page.reload()
    expect(page.get_by_test_id("composer")).to_have_attribute("placeholder", placeholder)


def test_a_direct_conversation_is_apart_from_the_channels(page: Page) -> None:
    page.get_by_test_id("channel-direct").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("@Traceback Tutor")
    post(page, "in private")
    page.get_by_test_id("channel-help").click()
    expect(page.get_by_text("in private")).to_have_count(0)


def test_the_page_fits_a_phone(open_page: OpenPage, sample_url: str) -> None:
    phone = open_page(sample_url, width=375, height=720)
    post(phone, "on a phone")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    expect(phone.get_by_test_id("channel-general")).not_to_be_in_viewport()
    phone.get_by_test_id("burger").click()
    phone.get_by_test_id("channel-general").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("#general")
    expect(phone.get_by_test_id("channel-general")).not_to_be_in_viewport()


def test_the_hint_to_drop_files_is_there_only_while_dragging(page: Page) -> None:
    hint = page.get_by_text("Drop files to attach")
    expect(hint).to_be_hidden()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "dropped.txt", { type: "text/plain" }));
            const event = (name) => new DragEvent(name, { dataTransfer: data, bubbles: true });
            document.body.dispatchEvent(event("dragenter"));
            window.drop = () => document.body.dispatchEvent(event("drop"));
        }"""
    )
    expect(hint).to_be_visible()
    page.evaluate("window.drop()")
    expect(hint).to_be_hidden()
    expect(page.get_by_test_id("pending-file")).to_contain_text("dropped.txt")
