"""Requests wait for their turn before the sandbox; too many of one person are refused in words."""

from __future__ import annotations

from study_group import StudyGroup, shown, until

from bot.locale import say
from knowledge.language import Language
from sandbox.protocol import Device


async def test_the_fifth_request_of_one_person_is_refused_in_their_language(
    group: StudyGroup,
) -> None:
    with group.sandbox.held():
        for number in range(4):
            group.slash("run", code=f"x = {number}")
        await until(lambda: group.room.waiting(Device.CPU) == 3)
        group.slash("run", code="x = 4", locale="ja")

        refused = say(Language.JA, "trouble.too_many.yours", most="3")
        await until(lambda: any(shown(each).strip() == refused for each in group.bot_messages()))

    await group.answer(5)

    await until(lambda: len(group.sandbox.ran) == 4)
    assert sorted(snippet.code for snippet in group.sandbox.ran) == [f"x = {n}" for n in range(4)]
