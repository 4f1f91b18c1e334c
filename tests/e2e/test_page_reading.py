"""Reading on the page: markdown, pictures, threads, and what is new since one looked away."""

from __future__ import annotations

import sample_bot
from e2e_processes import OpenPage
from page_acts import newest, post, use_command, write
from playwright.sync_api import Page, expect


def test_markdown_is_shown_as_discord_shows_it(sample_page: Page) -> None:
    post(
        sample_page,
        "# Title\n- one\n1. two\n> ### Quoted\n> ```diff\n> - old\n> ```\n-# small\n"
        "||hidden|| <t:0:R> [docs](https://docs.pytorch.org) <@&1100000000000000040>",
    )
    text = newest(sample_page, "you").get_by_test_id("content")
    expect(text.locator("h3")).to_have_text("Title")
    expect(text.locator("li").nth(1)).to_have_css("list-style-type", "decimal")
    expect(text.locator("blockquote h5")).to_have_text("Quoted")
    expect(text.locator("blockquote .hl-gd")).to_have_text("- old")
    expect(text.locator(".subtext")).to_have_text("small")
    expect(text.locator("time")).to_contain_text("years ago")
    expect(text.get_by_role("link", name="docs")).to_be_visible()
    expect(text.locator(".mention")).to_have_text("@mentor")


def test_a_spoiler_is_shown_by_a_click_or_a_key(sample_page: Page) -> None:
    post(sample_page, "||first|| ||second||")
    first, second = newest(sample_page, "you").locator(".spoiler").all()
    first.click()
    expect(first).to_contain_class("shown")
    second.focus()
    sample_page.keyboard.press("Enter")
    expect(second).to_contain_class("shown")


def test_coloured_terminal_output_keeps_its_colours(sample_page: Page) -> None:
    post(sample_page, "```ansi\n\x1b[1;31mloss is nan\x1b[0m ok\n```")
    code = newest(sample_page, "you").locator("pre code")
    expect(code).to_have_text("loss is nan ok")
    expect(code.locator(".ansi-bold.ansi-ink-1")).to_have_text("loss is nan")


def test_a_picture_is_enlarged_by_a_click_and_put_away_with_escape(sample_page: Page) -> None:
    sample_page.get_by_test_id("attach").set_input_files(
        {"name": "plot.png", "mimeType": "image/png", "buffer": sample_bot.plot()}
    )
    expect(sample_page.get_by_test_id("pending-file").locator("img")).to_be_visible()
    post(sample_page, "my plot")
    newest(sample_page, "you").locator("img").click()
    box = sample_page.get_by_test_id("lightbox")
    expect(box.locator("img")).to_have_js_property("naturalWidth", 120)
    expect(box.get_by_role("link", name="Open in a new window")).to_be_visible()
    sample_page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_a_picture_from_the_clipboard_is_attached_with_a_preview(sample_page: Page) -> None:
    sample_page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "image.png", { type: "image/png" });
            data.items.add(file);
            document.activeElement.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        [*sample_bot.plot()],
    )
    pending = sample_page.get_by_test_id("pending-file")
    expect(pending.locator("img")).to_have_js_property("naturalWidth", 120)
    pending.get_by_role("button", name="Remove image.png").click()
    expect(pending).to_have_count(0)


def test_a_file_shows_its_size_and_is_downloaded_under_its_name(sample_page: Page) -> None:
    sample_page.get_by_test_id("attach").set_input_files(
        {"name": "train.log", "mimeType": "text/plain", "buffer": b"x" * 2048}
    )
    post(sample_page, "")
    file = newest(sample_page, "you").get_by_test_id("attachment")
    expect(file).to_contain_text("2.0 KiB")
    with sample_page.expect_download() as download:
        file.get_by_role("link", name="train.log").click()
    assert download.value.suggested_filename == "train.log"


def test_a_dropped_file_goes_into_the_open_form(sample_page: Page) -> None:
    use_command(sample_page, "explain")
    sample_page.get_by_test_id("field-text").wait_for()
    sample_page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["from a drop"], "a.log", { type: "text/plain" }));
            document.body.dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }"""
    )
    expect(sample_page.locator(".file-names")).to_have_text("a.log")
    sample_page.get_by_test_id("options-send").click()
    expect(newest(sample_page, "bot").get_by_test_id("content")).to_have_text("en-US: from a drop")


def test_a_thread_is_opened_from_its_message_and_from_the_list(sample_page: Page) -> None:
    write(sample_page, "thread")
    start = newest(sample_page, "you")
    card = start.get_by_test_id("thread")
    expect(card).to_contain_text("One question")
    expect(card).to_contain_text("Messages: 1")
    card.click()
    expect(sample_page.get_by_role("heading", level=1)).to_have_text("One question")
    expect(sample_page.locator("header .topic")).to_have_text("Thread in #help")
    expect(newest(sample_page, "bot").get_by_test_id("content")).to_have_text("here is more room")
    post(sample_page, "inside")
    sample_page.get_by_test_id("channel-help").click()
    expect(card).to_contain_text("Messages: 3")
    sample_page.locator("[data-testid^=thread-]").last.click()
    expect(newest(sample_page, "you").get_by_test_id("content")).to_have_text("inside")


def test_another_channel_tells_of_its_messages_and_counts_pings(
    sample_page: Page, open_page: OpenPage, sample_url: str
) -> None:
    other = open_page(sample_url)
    other.get_by_test_id("channel-general").click()
    expect(other.get_by_role("heading", level=1)).to_have_text("#general")
    write(other, "ping me")
    channel = sample_page.get_by_test_id("channel-general")
    expect(channel).to_contain_class("unread")
    expect(channel.get_by_test_id("pings")).to_have_text("1")
    channel.click()
    expect(channel).not_to_contain_class("unread")
    marked = sample_page.locator("[data-unread]")
    expect(marked).to_have_attribute("data-unread", "New")
    expect(marked.get_by_test_id("content")).to_have_text("ping me")


def test_a_reader_of_old_messages_stays_there_and_jumps_to_the_present(
    sample_page: Page, open_page: OpenPage, sample_url: str
) -> None:
    post(sample_page, "\n".join(f"line {number}" for number in range(60)))
    log = sample_page.locator("#log")
    jump = sample_page.get_by_test_id("jump")
    expect(jump).to_be_hidden()
    log.evaluate("(log) => { log.scrollTop = 0; }")
    expect(jump.get_by_text("older messages")).to_be_visible()
    post(open_page(sample_url), "something new")
    expect(jump.get_by_text("New messages below")).to_be_visible()
    assert log.evaluate("(log) => log.scrollTop") == 0
    jump.click()
    expect(jump).to_be_hidden()
    expect(newest(sample_page, "bot")).to_be_in_viewport()


def test_the_reader_chooses_dark_or_light_once(sample_page: Page) -> None:
    root = sample_page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    dark = sample_page.evaluate("getComputedStyle(document.body).backgroundColor")
    sample_page.get_by_test_id("theme").click()
    expect(root).to_have_attribute("data-theme", "light")
    assert sample_page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    sample_page.reload()
    expect(root).to_have_attribute("data-theme", "light")
