"""What a message of the bot answers: kept, or read from Discord again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import discord

from bot.gathering import Gathering
from bot.inputs import InputError
from bot.intake import Taken
from bot.store import Answered, Store
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"


def pressed(asked: Asked) -> discord.Message:
    """The message whose button was pressed."""
    if asked.message is None:
        raise RuntimeError("A button was pressed under no message.")
    return asked.message


class Recall:
    """Goes back from a message of the bot to the post, and to the person who asked."""

    def __init__(self, store: Store, gathering: Gathering) -> None:
        self._store, self._gathering = store, gathering

    async def post_id(self, asked: Asked) -> int | None:
        """The post that the pressed button's message answers."""
        answered = await self._store.by_answer(pressed(asked).id)
        return answered.post_id if answered else None

    async def is_asker(self, asked: Asked) -> bool:
        """Whether the one who pressed is the one who asked."""
        answered = await self._store.by_answer(pressed(asked).id)
        return answered is not None and answered.asker_id == asked.user.id

    async def text_behind(self, asked: Asked, answer: discord.Message) -> str:
        """What a message of the bot answers. Raises InputError when nothing of it is left."""
        answered = await self._store.by_answer(answer.id)
        if answered is None and answer.reference is not None:
            # The memory was lost; the answer itself still points at its post.
            answered = Answered(
                answer_id=answer.id,
                channel_id=answer.channel.id,
                asker_id=asked.user.id,
                language=Language.EN,
                post_id=answer.reference.message_id,
            )
        text = await self.text_of(asked, answered) if answered else ""
        if not text.strip():
            raise InputError("gone", "The post that this answers cannot be read any more.")
        return text

    async def text_of(self, asked: Asked, answered: Answered) -> str:
        """The text that was asked about: kept, or read again; empty when it is gone."""
        if answered.text is not None:
            return answered.text
        taken = await self.taken_again(asked, answered)
        return taken.corrected(answered.correction).text

    async def taken_again(self, asked: Asked, answered: Answered) -> Taken:
        """What the post hands in, read again; empty when it is gone or cannot be read.

        Raises InputError for a file that cannot be read.
        """
        if answered.post_id is None:
            return Taken()
        channel = asked.client.get_partial_messageable(answered.place_of_post)
        try:
            message = await channel.fetch_message(answered.post_id)
            return await self._gathering.take(message, asked.client.own_id, asked_for=True)
        except discord.HTTPException:
            return Taken()
