"""Brings answers to people: patiently, and by another way where Discord closes the first one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import aiohttp
import discord

from bot import reply as limits
from bot.fence import units
from bot.locale import language_of, say
from bot.reply import Reply
from knowledge.language import detect_language

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"
_Item = TypeVar("_Item")

BROKEN: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What discord.py lets through when a connection breaks: nobody knows whether Discord heard."""
PAUSES_S: Final = (0.3, 1.0)
"""Seconds before each further try. An interaction has to be acknowledged within three."""

_AT_THE_END_S: Final = 3.0
"""Seconds that a stopping bot takes to tell those who wait."""

_ACKNOWLEDGED, _THINKING, _PRIVATE, _DELIVERED = "acknowledged", "thinking", "private", "delivered"
"""What `Interaction.extras` holds; discord.py takes no note of what it did not hear back."""

_log = logging.getLogger(__name__)


class Code(IntEnum):
    """Discord's error codes that make a difference here."""

    UNKNOWN_MESSAGE = 10008
    UNKNOWN_WEBHOOK = 10015
    UNKNOWN_INTERACTION = 10062
    ALREADY_ACKNOWLEDGED = 40060
    INVALID_WEBHOOK_TOKEN = 50027


_RAN_OUT = (Code.UNKNOWN_WEBHOOK, Code.UNKNOWN_INTERACTION, Code.INVALID_WEBHOOK_TOKEN)


def ran_out(error: discord.HTTPException) -> bool:
    """Whether Discord takes nothing more for an interaction; other ways may be open."""
    return error.code in _RAN_OUT


class TooLate(Exception):
    """Discord had given up on an interaction before the bot could acknowledge it."""


class NobodyWaits(Exception):
    """There is nothing to tell anybody: the reason is for the log."""


async def patiently(action: Callable[[], Awaitable[_Item]]) -> _Item:
    """Do something that may be done twice, again while Discord is out of order.

    Raises what the last try raises.
    """
    for pause in PAUSES_S:
        try:
            return await action()
        except (discord.DiscordServerError, *BROKEN) as error:
            _log.info("Discord is out of order, trying again: %s", type(error).__name__)
        await asyncio.sleep(pause)
    return await action()


async def acknowledge(asked: Asked, answer: Callable[[], Awaitable[object]]) -> None:
    """Give an interaction its first answer.

    Raises TooLate; NobodyWaits when another process of this bot was faster, as happens while one
    takes over from another; and what discord.py raises.
    """
    first = True

    async def attempt() -> None:
        nonlocal first
        is_first, first = first, False
        try:
            await answer()
        except discord.HTTPException as error:
            if error.code == Code.UNKNOWN_INTERACTION:
                raise TooLate("The interaction was over before it was acknowledged.") from error
            if error.code != Code.ALREADY_ACKNOWLEDGED:
                raise
            if is_first:
                raise NobodyWaits("Another process answers this interaction.") from error
            # The try before got through; only its answer was lost.

    await patiently(attempt)
    asked.extras[_ACKNOWLEDGED] = True


async def defer(asked: Asked, *, ephemeral: bool = False) -> None:
    """Show that the bot is thinking. Raises as `acknowledge` does."""
    asked.extras |= {_THINKING: True, _PRIVATE: ephemeral}
    await acknowledge(asked, lambda: asked.response.defer(thinking=True, ephemeral=ephemeral))
    asked.client.desk.waiting.add(asked)


async def open_form(asked: Asked, form: discord.ui.Modal) -> None:
    """Answer an interaction with a form. Raises as `acknowledge` does."""
    await acknowledge(asked, lambda: asked.response.send_modal(form))
    if asked.response.is_done():  # else Discord shows a form that discord.py knows nothing of
        asked.client.desk.forms.add(form)


async def take_away(asked: Asked) -> None:
    """Delete the message whose button was pressed; nothing happens when it is gone already."""
    try:
        await patiently(asked.delete_original_response)
    except discord.NotFound as error:
        if error.code != Code.UNKNOWN_MESSAGE:
            raise


async def deliver(asked: Asked, reply: Reply, view: discord.ui.View) -> discord.Message:
    """Fill the waiting message of a deferred interaction.

    When the interaction has run out meanwhile (after fifteen minutes), or Discord does not take it
    there, the answer comes as an ordinary message: where the question was asked, or to the asker
    alone when it was for their eyes only. Raises NobodyWaits when the waiting message was taken
    away, or no way is open.
    """
    try:
        sent: discord.Message = await patiently(
            lambda: asked.edit_original_response(
                content=reply.content or None,
                embeds=list(reply.embeds),
                attachments=reply.files(),
                view=view,
            )
        )
    except discord.HTTPException as error:
        if error.code == Code.UNKNOWN_MESSAGE:
            asked.client.desk.waiting.discard(asked)
            raise NobodyWaits("The waiting message was taken away.") from error
        if not ran_out(error) and not isinstance(error, discord.DiscordServerError):
            raise
        sent = await _by_another_way(asked, reply, view)
    except BROKEN:
        sent = await _by_another_way(asked, reply, view)
    asked.extras[_DELIVERED] = True
    asked.client.desk.waiting.discard(asked)
    return sent


async def tell(asked: Asked, text: str) -> None:
    """Say a sentence to the one who asked, for their eyes only where that is still possible.

    Nothing is said to somebody who has their answer already. Raises NobodyWaits.
    """
    asked.client.desk.waiting.discard(asked)
    if asked.extras.get(_DELIVERED):
        return
    try:
        if asked.response.is_done() or asked.extras.get(_ACKNOWLEDGED):
            await patiently(partial(_follow, asked, text))
        else:
            await acknowledge(asked, lambda: asked.response.send_message(text, ephemeral=True))
    except (TooLate, discord.HTTPException, *BROKEN) as error:
        if isinstance(error, discord.HTTPException) and error.code == Code.UNKNOWN_MESSAGE:
            raise NobodyWaits("The waiting message was taken away.") from error
        await _by_another_way(asked, Reply(text), None)


async def tell_all(waiting: Iterable[Asked], key: str) -> None:
    """Say one text of bot/locales to everybody who waits; takes a few seconds at most."""
    told = (tell(asked, say(language_of(asked.locale.value), key)) for asked in tuple(waiting))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_AT_THE_END_S):
            await asyncio.gather(*told, return_exceptions=True)


async def _follow(asked: Asked, text: str) -> None:
    """A sentence after the first answer: in its place while that one is still thinking."""
    if asked.extras.get(_THINKING):
        await asked.edit_original_response(content=text, embeds=[], view=None)
    else:
        await asked.followup.send(text, ephemeral=True)


async def _by_another_way(
    asked: Asked, reply: Reply, view: discord.ui.View | None
) -> discord.Message:
    """Post an ordinary message, in the channel or else to the asker. Raises NobodyWaits."""
    places: list[discord.abc.Messageable] = [asked.user]
    if not asked.extras.get(_PRIVATE) and asked.channel_id is not None:
        places.insert(0, asked.client.get_partial_messageable(asked.channel_id))
    note = say(language_of(asked.locale.value), "late.note", person=asked.user.mention)
    return await _post(places, _after(note, reply), view, nonce=str(asked.id))


async def answer_post(
    message: discord.Message, reply: Reply, view: discord.ui.View | None, *, addressed: bool
) -> discord.Message:
    """Reply to a post.

    Where the bot may not write, somebody who spoke to it gets the answer alone, with the reason.
    Raises NobodyWaits when the post is gone, or nobody can be reached.
    """
    edited = int(message.edited_at.timestamp()) if message.edited_at else 0
    nonce = f"{message.id:x}.{edited:x}"  # the same for every try, so that none is seen twice
    try:
        return await patiently(lambda: message.reply(**payload(reply, view), nonce=nonce))
    except discord.Forbidden as error:
        _log.warning("May not write in channel %s: %s", message.channel.id, error.text)
        if not addressed:
            raise NobodyWaits("The bot may not write there.") from error
        language = detect_language(message.content)
    except (discord.HTTPException, *BROKEN) as error:
        raise NobodyWaits(f"No answer in channel {message.channel.id}: {_kind(error)}") from error
    note = say(language, "late.not_there", place=f"<#{message.channel.id}>")
    return await _post([message.author], _after(note, reply), view, nonce=nonce)


async def _post(
    places: list[discord.abc.Messageable], reply: Reply, view: discord.ui.View | None, nonce: str
) -> discord.Message:
    """Post in the first of `places` that takes it. Raises NobodyWaits when none does."""
    reasons = []
    for place in places:
        try:
            return await patiently(partial(_send, place, reply, view, nonce))
        except (discord.HTTPException, *BROKEN) as error:
            reasons.append(_kind(error))
    raise NobodyWaits(f"No way to the person is open: {', '.join(reasons)}")


async def _send(
    place: discord.abc.Messageable, reply: Reply, view: discord.ui.View | None, nonce: str
) -> discord.Message:
    sent: discord.Message = await place.send(**payload(reply, view), nonce=nonce)
    return sent


def payload(reply: Reply, view: discord.ui.View | None) -> dict[str, Any]:
    """What `send` takes, made anew for each try: a file can be sent once."""
    payload: dict[str, Any] = {
        "content": reply.content or None,
        "embeds": list(reply.embeds),
        "files": reply.files(),
    }
    return payload | ({"view": view} if view is not None else {})


def _after(note: str, reply: Reply) -> Reply:
    """The reply with a note before it, where both fit."""
    content = f"{note}\n{reply.content}".strip()
    fits = units(content) <= limits.CONTENT
    return Reply(content if fits else reply.content, reply.embeds, reply.attached)


def _kind(error: Exception) -> str:
    """What may stand in the log: the address of an interaction holds the interaction's token."""
    code = f" {error.code}" if isinstance(error, discord.HTTPException) else ""
    return f"{type(error).__name__}{code}"
