"""What the bot does when somebody asks: the one place between Discord's events and the tutor."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet, WeakValueDictionary

import discord
from sqlalchemy.exc import SQLAlchemyError

from bot.conduct import Conduct
from bot.correction import correct, with_seen
from bot.delivery import acknowledge, defer, deliver, open_form, take_away
from bot.gathering import Gathering
from bot.inputs import InputError, require_text
from bot.intake import Intake, Taken, code_of
from bot.learned import Learned, gap_of
from bot.locale import language_of
from bot.modals import Form, Purpose
from bot.outcome import error_text
from bot.picture import way_of_the_data
from bot.recall import Recall, pressed
from bot.render import explained, others, whole
from bot.render_confirm import confirmed
from bot.render_run import example_ran, ran
from bot.reply import Attached, Reply
from bot.store import Answered, Store
from bot.teach import Drafts, Teacher
from bot.tutor import Answer, RunReport, Tutor
from bot.underway import Underway
from bot.views import PictureButton, answer_view, choice_view, delete_view, details_view
from knowledge.language import Language, detect_language
from sandbox.protocol import Device
from sandbox.waiting import Asker

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"

_log = logging.getLogger(__name__)

PICTURE = "layers.png"
_PREFILL_S = 1.5
"""How long a form may wait for the post's code: Discord allows three seconds to open it."""


class Desk:
    """Serves commands, menus, forms and buttons.

    Methods that take an interaction expect it to be deferred, unless they say that they answer it
    themselves. What only the asker sees is in the asker's language; what stays in the channel is
    in the language of the post.
    """

    def __init__(
        self,
        tutor: Tutor,
        store: Store,
        intake: Intake,
        conduct: Conduct,
        gathering: Gathering | None = None,
        learned: Learned | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self.tutor = tutor
        self.store = store
        self.intake = intake
        self.gathering = gathering or Gathering(intake)
        self.recall = Recall(store, self.gathering)
        self.conduct = conduct
        self.learned = learned or Learned(store.database, store.keep)
        self.teacher = teacher or Teacher(tutor)
        self.drafts = Drafts()
        self.underway = Underway()
        self.waiting: set[Asked] = set()
        """Deferred interactions that have no answer yet; kept by `bot.delivery`."""
        self.forms: WeakSet[discord.ui.Modal] = WeakSet()
        """Forms that are open somewhere; kept by `bot.delivery`."""
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def lock(self, post_id: int) -> asyncio.Lock:
        """One at a time for each post: an edit waits until the answer that it changes is known."""
        return self._locks.setdefault(post_id, asyncio.Lock())

    def compose(
        self, answer: Answer, asker_id: int, seen: str = ""
    ) -> tuple[Reply, discord.ui.View]:
        """An answer as a message with its buttons; `seen` is what was read from a picture."""
        explanation, language = answer.explanation, answer.language
        if explanation is None:
            view = choice_view(answer.candidates, deletable=(asker_id, language))
        else:
            view = answer_view(
                language,
                explanation.slug,
                asker_id,
                runnable=self._is_runnable(explanation.slug),
                repairable=any(block.strip() for block in answer.post.code),
            )
        return with_seen(explained(answer), view, seen, language)

    def _is_runnable(self, slug: str) -> bool:
        entry = self.tutor.entry(slug)
        return entry.proof.provable and entry.fails is not None and entry.works is not None

    async def explain(self, asked: Asked, taken: Taken, post_id: int | None = None) -> None:
        """Explain a text, or name what comes nearest. `post_id` is the message it stands in."""
        answer = await self.tutor.answer(taken.text, await self._wanted(asked))
        reply, view = self.compose(answer, asked.user.id, taken.seen)
        async with self.lock(post_id or asked.id):
            sent = await deliver(asked, reply, view)
            await self.store.remember(
                Answered(
                    answer_id=sent.id,
                    channel_id=sent.channel.id,
                    asker_id=asked.user.id,
                    language=answer.language,
                    post_id=post_id,
                    slug=answer.explanation.slug if answer.explanation else None,
                    text=taken.text,
                )
            )
        guild_id = asked.guild_id if asked.is_guild_integration() else None
        await self.learn(answer, post_id or sent.id, guild_id, asked.user.id)

    async def learn(
        self, answer: Answer, source_id: int, guild_id: int | None, asker_id: int
    ) -> None:
        """Keep a post that has no sure answer, where its server allows that, or forget it again.

        `source_id` is the post, or its answer where no message holds the post. A database that is
        out of reach costs nobody an answer.
        """
        if guild_id is None or not (await self.conduct.guilds.get(guild_id)).store_posts:
            return
        try:
            if answer.explanation is None:
                gap = await asyncio.to_thread(gap_of, answer.post, source_id, guild_id, asker_id)
                await self.learned.note(gap)
            else:
                await self.learned.drop(source_id)
        except (SQLAlchemyError, ConnectionError) as error:
            _log.warning("A gap is not written down: %s", type(error).__name__)

    async def correct(self, asked: Asked, language: Language) -> None:
        """Open a form with the text that was read from a picture. Answers the interaction."""
        await correct(self, asked, language)

    async def run(
        self,
        asked: Asked,
        code: str,
        device: Device = Device.CPU,
        *,
        check: bool = False,
        post_id: int | None = None,
    ) -> None:
        """Run code and show how it ended, with the explanation of a failure.

        `post_id` is the message that the code stands in; deleting it ends the run.
        """
        await self.conduct.require_run(asked, device)
        spoken = await self._wanted(asked) or detect_language(code)
        async with self.underway.run(asked, spoken, post_id) as run:
            report = await self.tutor.run(
                code, device, spoken, check=check, asker=asker_of(asked), watch=run.watch
            )
        answer, scene = report.answer, report.result.scene
        drawable = scene is not None and bool(scene.layers)
        if answer is None or answer.explanation is None:
            view = delete_view(asked.user.id, report.language, drawable=drawable)
        else:
            _, view = self.compose(answer, asked.user.id)
            if drawable:
                view.add_item(PictureButton(report.language))
        sent = await deliver(asked, ran(report), view)
        if answer is not None or drawable:
            slug = answer.explanation.slug if answer and answer.explanation else None
            await self._remember(asked, sent, report.language, _as_post(code, report), slug)

    async def repair(self, asked: Asked, language: Language) -> None:
        """Look for a change under which the post's code runs. Answers the interaction."""
        await self.conduct.require_run(asked)
        text, spoken = await self._open(asked, language)
        async with self.underway.run(asked, spoken, await self.recall.post_id(asked)) as run:
            confirmation = await self.tutor.confirm(
                text, None, spoken, asker=asker_of(asked), watch=run.watch
            )
        scene = confirmation.before.scene if confirmation.before else None
        drawable = scene is not None and bool(scene.layers)
        view = delete_view(asked.user.id, spoken, drawable=drawable)
        sent = await deliver(asked, confirmed(confirmation), view)
        await self._remember(asked, sent, spoken, text, None)

    async def picture(self, asked: Asked, language: Language) -> None:
        """Draw the way of the data of a run that failed in a model. Answers the interaction.

        Raises InputError when nothing fails there any more.
        """
        await self.conduct.require_run(asked)
        text, spoken = await self._open(asked, language)
        async with self.underway.run(asked, spoken, await self.recall.post_id(asked)) as run:
            result = await self.tutor.reproduce(
                text, spoken, asker=asker_of(asked), watch=run.watch
            )
        scene = result.scene if result else None
        if scene is None or not scene.layers:
            raise InputError("no_layers", "The code does not fail inside a model.")
        drawn = await asyncio.to_thread(way_of_the_data, scene.layers)
        reply = Reply(attached=(Attached(PICTURE, drawn),))
        await deliver(asked, reply, delete_view(asked.user.id, spoken))

    async def _open(self, asked: Asked, language: Language) -> tuple[str, Language]:
        """Defer a button's answer, publicly for the one who asked first; the text behind it."""
        is_asker = await self.recall.is_asker(asked)
        await defer(asked, ephemeral=not is_asker)
        spoken = language if is_asker else language_of(asked.locale.value)
        return await self.recall.text_behind(asked, pressed(asked)), spoken

    async def _remember(
        self,
        asked: Asked,
        sent: discord.Message,
        language: Language,
        text: str,
        slug: str | None,
    ) -> None:
        """Keep what a message of the bot answers, where no message of Discord holds it."""
        await self.store.remember(
            Answered(
                answer_id=sent.id,
                channel_id=sent.channel.id,
                asker_id=asked.user.id,
                language=language,
                slug=slug,
                text=text,
            )
        )

    async def example(self, asked: Asked, slug: str, language: Language) -> None:
        """Run an entry's example. Answers the interaction; publicly for the one who asked first."""
        await self.conduct.require_run(asked)
        is_asker = await self.recall.is_asker(asked)
        await defer(asked, ephemeral=not is_asker)
        spoken = language if is_asker else language_of(asked.locale.value)
        async with self.underway.run(asked, spoken) as run:
            example = await self.tutor.example(slug, spoken, asker=asker_of(asked), watch=run.watch)
        await deliver(asked, example_ran(example), delete_view(asked.user.id, spoken))

    async def ask_for_fix(self, asked: Asked, language: Language) -> None:
        """Open the form for a changed piece of code. Answers the interaction."""
        await self.conduct.require_run(asked)
        answer = pressed(asked)
        is_asker = await self.recall.is_asker(asked)
        own = language_of(asked.locale.value)
        try:
            async with asyncio.timeout(_PREFILL_S):
                prefill = await code_of(await self.recall.text_behind(asked, answer)) or ""
        except TimeoutError:
            prefill = ""

        async def submitted(sent: Asked, text: str, file: discord.Attachment | None) -> None:
            code = await self.receive_code(sent, text, file, ephemeral=not is_asker)
            post = await self.recall.text_behind(sent, answer)
            spoken = language if is_asker else own
            async with self.underway.run(sent, spoken) as run:
                confirmation = await self.tutor.confirm(
                    post, code, spoken, asker=asker_of(sent), watch=run.watch
                )
            await deliver(sent, confirmed(confirmation), delete_view(sent.user.id, spoken))

        await open_form(asked, Form(Purpose.CONFIRM, own, submitted, prefill))

    async def receive(
        self,
        asked: Asked,
        text: str,
        file: discord.Attachment | None,
        *,
        ephemeral: bool = False,
    ) -> Taken:
        """The text of a form or command and of its file, together; defers the interaction.

        What can be refused at once is refused before that, for the asker's eyes only. Raises
        InputError.
        """
        await self._admit(asked, text, file, ephemeral)
        if file is None:
            return Taken(text)
        taken = await self.intake.file(file)
        return Taken("\n\n".join(filter(str.strip, (taken.words, text))), taken.seen)

    async def receive_code(
        self,
        asked: Asked,
        text: str,
        file: discord.Attachment | None,
        *,
        ephemeral: bool = False,
    ) -> str:
        """The code of a form or command and of its file, as `receive` takes a post."""
        await self._admit(asked, text, file, ephemeral)
        given = await self.intake.code(file) if file is not None else ""
        return await only_code("\n\n".join(filter(str.strip, (given, text))))

    async def _admit(
        self, asked: Asked, text: str, file: discord.Attachment | None, ephemeral: bool
    ) -> None:
        if file is None:
            require_text(text, "the post")
        else:
            self.intake.require_size(file)
        await defer(asked, ephemeral=ephemeral)

    async def others(self, asked: Asked) -> None:
        """List what else comes near. Answers the interaction."""
        await defer(asked, ephemeral=True)
        message = pressed(asked)
        answered = await self.store.by_answer(message.id)
        shown = answered.slug if answered else None
        language = language_of(asked.locale.value)
        answer = await self.tutor.answer(await self.recall.text_behind(asked, message), language)
        rest = [candidate for candidate in answer.candidates if candidate.slug != shown]
        await deliver(asked, others(language, rest), choice_view(rest, answer_id=message.id))

    async def show(self, asked: Asked, slug: str, answer_id: int) -> None:
        """Open one whole explanation for the person who pressed. Answers the interaction.

        With the numbers of the post where the post can still be read, without them otherwise.
        """
        await defer(asked, ephemeral=True)
        language = language_of(asked.locale.value)
        answered = await self.store.by_answer(answer_id or pressed(asked).id)
        explanation = self.tutor.explain(slug, language)
        text = await self.recall.text_of(asked, answered) if answered else ""
        others = False
        if text.strip():
            answer = await self.tutor.answer(text, language)
            own = (one for one in answer.candidates if one.slug == slug)
            explanation = next(own, explanation)
            is_the_answer = answered is not None and answered.slug == slug
            others = is_the_answer and len(answer.candidates) > 1
        view = details_view(language, slug, runnable=self._is_runnable(slug), others=others)
        sent = await deliver(asked, whole(explanation), view)
        if answered is not None:
            shown = dataclasses.replace(
                answered,
                answer_id=sent.id,
                asker_id=asked.user.id,
                language=language,
                slug=slug,
                # What only one person sees is nothing to point to, and follows no edit.
                problem=None,
                parts=(),
            )
            await self.store.remember(shown)

    async def delete(self, asked: Asked, asker_id: int) -> None:
        """Take a message of the bot away. Answers the interaction."""
        if asked.user.id != asker_id and not asked.permissions.manage_messages:
            raise InputError("not_yours", "Only the asker can delete this answer.")
        await acknowledge(asked, asked.response.defer)
        await take_away(asked)
        await self.store.forget(pressed(asked).id)

    async def stop(self, asked: Asked, asker_id: int) -> None:
        """End what a message of the bot shows under way. Answers the interaction."""
        if asked.user.id != asker_id and not asked.permissions.manage_messages:
            raise InputError("not_yours", "Only the asker can stop this.")
        if not self.underway.stop(pressed(asked).id):
            raise InputError("run_over", "This run is over already.")
        await acknowledge(asked, asked.response.defer)

    async def _wanted(self, asked: Asked) -> Language | None:
        """The language that the guild chose, else that of the person's Discord, else the text's.

        English is what Discord is set to unless somebody chose another language, so it does not
        count as a choice.
        """
        chosen = (await self.conduct.guilds.get(asked.guild_id)).language
        language = language_of(asked.locale.value)
        return chosen or (None if language is Language.EN else language)


async def only_code(text: str) -> str:
    """The code of a text that was handed in as code: without the fences, where it has some."""
    return (await code_of(text) or text) if "```" in text else text


def asker_of(asked: Asked) -> Asker:
    """On whose behalf something runs: fair between servers, and between the people of one."""
    return Asker(group=str(asked.guild_id or "direct"), user=str(asked.user.id))


def _as_post(code: str, report: RunReport) -> str:
    """A run as the post that a learner would make of it: the code and its error."""
    return f"```python\n{code}\n```\n\n{error_text(report.result)}"
