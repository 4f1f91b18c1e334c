"""What runs for people right now: shown while it lasts, and ended when they do not want it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
import discord

from bot.delivery import Code, ran_out
from bot.fence import Keep, fenced
from bot.inputs import InputError
from bot.locale import say
from bot.views import stop_view
from knowledge.language import Language
from sandbox.runner import Progress

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"

EVERY_S: Final = 1.0
"""Seconds between two changes of a message: Discord allows few edits. What ends sooner is never
shown under way."""
_ROOM: Final = 1_500
_LINES: Final = 12

_log = logging.getLogger(__name__)


class Run:
    """One request that is being worked on, and what its message shows meanwhile."""

    def __init__(self, asked: Asked, language: Language) -> None:
        self.stopped = False
        """Whether somebody ended it before it was done."""
        self.message_id: int | None = None
        """The message that shows it; None until it is shown."""
        self._asked = asked
        self._language = language
        self._progress: Progress | None = None
        self._task = asyncio.current_task()
        self._over = asyncio.Event()

    def watch(self, progress: Progress) -> None:
        """Take note of how far it is; shown at the next tick."""
        self._progress = progress

    def stop(self) -> None:
        """End it now; nothing happens when that was said already."""
        if not self.stopped and self._task is not None:
            self.stopped = True
            self._task.cancel()

    def end(self) -> None:
        """Show nothing more."""
        self._over.set()

    async def show(self, known: dict[int, Run]) -> None:
        """Keep the message up to date until it is over; `known` learns the message's id.

        An edit on its way is never cut off: it might arrive after the result.
        """
        shown = ""
        while not await self._is_over_within(EVERY_S):
            text = progress_text(self._progress, self._language) if self._progress else ""
            if text == shown:
                continue
            try:
                message = await self._asked.edit_original_response(
                    content=text, view=stop_view(self._asked.user.id, self._language)
                )
            except discord.HTTPException as error:
                if error.code == Code.UNKNOWN_MESSAGE:
                    # The message was taken away: nobody waits for the result.
                    self.stop()
                    return
                if ran_out(error):
                    return  # the result will come by another way
                _log.info("Progress could not be shown: %s %s", error.status, error.code)
                continue
            except (aiohttp.ClientError, OSError) as error:
                _log.info("Progress could not be shown: %s", type(error).__name__)
                continue
            shown, self.message_id = text, message.id
            known[message.id] = self

    async def _is_over_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()


class Underway:
    """All requests that are being worked on."""

    def __init__(self) -> None:
        self._by_message: dict[int, Run] = {}
        self._by_post: dict[int, set[Run]] = {}

    @asynccontextmanager
    async def run(
        self, asked: Asked, language: Language, post_id: int | None = None
    ) -> AsyncIterator[Run]:
        """Show how far a deferred interaction is while in here.

        Raises InputError when somebody ends it: by its button, by taking its message away, or by
        deleting the post that it is about.
        """
        run = Run(asked, language)
        if post_id is not None:
            self._by_post.setdefault(post_id, set()).add(run)
        showing = asyncio.create_task(run.show(self._by_message))
        try:
            yield run
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not run.stopped or (task is not None and task.uncancel() > 0):
                raise
            raise InputError("stopped", "Stopped.") from None
        finally:
            run.end()
            await showing
            if run.message_id is not None:
                del self._by_message[run.message_id]
            if post_id is not None:
                self._by_post[post_id].discard(run)
                if not self._by_post[post_id]:
                    del self._by_post[post_id]

    def stop(self, message_id: int) -> bool:
        """End what a message shows, or what is about a post; False when nothing is under way."""
        runs = set(self._by_post.get(message_id, ()))
        if message_id in self._by_message:
            runs.add(self._by_message[message_id])
        for run in runs:
            run.stop()
        return bool(runs)


def progress_text(progress: Progress, language: Language) -> str:
    """How far a request is, in words: its place in the line, or the end of what it printed."""
    if not progress.running:
        if progress.ahead == 0:
            return say(language, "progress.next")
        return say(language, "progress.waiting", ahead=progress.ahead)
    heading = say(language, "progress.running")
    if not progress.stdout.strip():
        return heading
    end = fenced(progress.stdout.rstrip("\n"), _ROOM, keep=Keep.TAIL, most_lines=_LINES).text
    return f"{heading}\n{end}"
