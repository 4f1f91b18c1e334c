"""Selects and forms on the page: what is chosen there arrives at discord.py as it should."""

from __future__ import annotations

from pathlib import Path

from page_acts import newest, post, use_command
from playwright.sync_api import Locator, Page, expect


def select(page: Page, place: int) -> Locator:
    """One of the selects of the sample bot."""
    return post(page, "selects").get_by_test_id("select").nth(place)


def said(page: Page) -> Locator:
    return newest(page, "bot").get_by_test_id("content")


def test_several_options_are_ticked_and_sent_when_the_list_closes(sample_page: Page) -> None:
    languages = select(sample_page, 0)
    expect(languages).to_contain_text("Languages")
    languages.locator("summary").click()
    languages.get_by_label("English").check()
    languages.get_by_label("Chinese").check()
    expect(languages.get_by_label("Japanese")).to_be_disabled()  # two is the most
    languages.locator("summary").click()
    expect(said(sample_page)).to_have_text("English and Chinese")


def test_a_list_of_several_is_used_with_the_keyboard_and_closed_with_escape(
    sample_page: Page,
) -> None:
    languages = select(sample_page, 0)
    languages.locator("summary").focus()
    sample_page.keyboard.press("Enter")
    sample_page.keyboard.press("Tab")
    sample_page.keyboard.press("Space")
    sample_page.keyboard.press("Escape")
    expect(said(sample_page)).to_have_text("English")


def test_too_few_choices_are_not_sent(sample_page: Page) -> None:
    languages = select(sample_page, 0)
    languages.locator("summary").click()
    languages.get_by_label("English").check()
    languages.get_by_label("English").uncheck()
    before = sample_page.get_by_test_id("message").count()
    languages.locator("summary").click()
    expect(languages.locator("summary")).to_have_text("Languages")
    expect(sample_page.get_by_test_id("message")).to_have_count(before)


def test_a_member_is_chosen(sample_page: Page) -> None:
    select(sample_page, 1).select_option(label="Learner")
    expect(said(sample_page)).to_have_text("users ['learner']")


def test_a_role_is_chosen(sample_page: Page) -> None:
    select(sample_page, 2).select_option(label="@mentor")
    expect(said(sample_page)).to_have_text("roles ['mentor']")


def test_members_and_roles_are_chosen_from_one_list(sample_page: Page) -> None:
    anybody = select(sample_page, 3)
    anybody.locator("summary").click()
    anybody.get_by_label("Learner").check()
    anybody.get_by_label("@mentor").check()
    anybody.locator("summary").click()
    expect(said(sample_page)).to_have_text("Member learner, Role mentor")


def test_channels_are_chosen_and_those_chosen_before_are_ticked(sample_page: Page) -> None:
    channels = select(sample_page, 4)
    expect(channels.locator("summary")).to_have_text("#help")
    channels.locator("summary").click()
    channels.get_by_label("#general").check()
    channels.locator("summary").click()
    expect(said(sample_page)).to_have_text("channels ['help', 'general']")


def test_a_form_of_selects_and_a_file_is_filled_in(sample_page: Page, tmp_path: Path) -> None:
    proof = tmp_path / "loss.txt"
    proof.write_text("2.3")
    use_command(sample_page, "survey")
    modal = sample_page.get_by_test_id("modal")
    expect(modal).to_contain_text("How it went")
    modal.locator("select").select_option("good")
    modal.locator("summary").click()
    modal.get_by_label("Learner").check()
    modal.locator("input[type=file]").set_input_files(proof)
    expect(modal.locator(".file-names")).to_have_text("loss.txt")
    modal.get_by_test_id("modal-submit").click()
    expect(said(sample_page)).to_have_text("['good'] ['learner'] ['loss.txt']")


def test_a_subcommand_asks_for_its_options_and_marks_the_one_it_needs(sample_page: Page) -> None:
    use_command(sample_page, "group settings")
    options = sample_page.get_by_test_id("options")
    expect(options).to_contain_text("A member")
    expect(options.get_by_text("who *")).to_be_visible()
    options.get_by_test_id("options-send").click()
    expect(sample_page.get_by_test_id("note")).to_contain_text("“who” is needed")
    options.get_by_test_id("field-who").select_option(label="Learner")
    options.get_by_test_id("field-where").select_option(label="#general")
    options.get_by_test_id("field-times").fill("3")
    options.get_by_test_id("field-loud").select_option("true")
    options.get_by_test_id("options-send").click()
    expect(said(sample_page)).to_have_text("learner general 3 True")


def test_the_picker_narrows_while_typing_and_tab_completes(sample_page: Page) -> None:
    composer = sample_page.get_by_test_id("composer")
    composer.press_sequentially("/")
    options = sample_page.get_by_test_id("picker").get_by_role("option")
    expect(options.filter(has_text="/group reset")).to_contain_text("Forgets it all")
    composer.press_sequentially("group")
    expect(options).to_have_count(2)
    expect(options.first).to_have_attribute("aria-selected", "true")
    composer.press("ArrowDown")
    expect(options.last).to_have_attribute("aria-selected", "true")
    composer.press("Tab")
    expect(sample_page.get_by_test_id("options")).to_contain_text("/group settings")
    sample_page.keyboard.press("Escape")
    expect(sample_page.get_by_test_id("options")).to_have_count(0)
    expect(composer).to_be_focused()


def test_what_is_typed_after_a_command_is_its_first_option(sample_page: Page) -> None:
    sample_page.get_by_test_id("composer").press_sequentially("/explain ")
    expect(sample_page.get_by_test_id("field-text")).to_be_focused()
    sample_page.get_by_test_id("options-cancel").click()
    sample_page.get_by_test_id("composer").fill("/explain why is it nan")
    expect(sample_page.get_by_test_id("field-text")).to_have_value("why is it nan")
    sample_page.get_by_test_id("field-text").press("Enter")
    expect(said(sample_page)).to_have_text("en-US: why is it nan")


def test_a_name_is_completed_after_an_at_sign(sample_page: Page) -> None:
    composer = sample_page.get_by_test_id("composer")
    composer.press_sequentially("thanks @lea")
    expect(sample_page.get_by_test_id("person-learner")).to_be_visible()
    composer.press("Enter")
    expect(composer).to_have_value("thanks @learner ")
    expect(sample_page.get_by_test_id("people")).to_have_count(0)
    composer.press("Enter")
    expect(newest(sample_page, "you").locator(".mention")).to_have_text("@Learner")
