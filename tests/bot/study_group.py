"""A study group for tests: the local Discord, and in it the real bot with a sandbox that is told
beforehand how runs end.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from bot.catch_up import Window
from bot.client import TutorBot, point_at
from bot.conduct import Conduct, Rules
from bot.desk import Desk
from bot.guilds import Guilds, GuildSettings
from bot.intake import Intake
from bot.local.commands import message_commands, slash_commands
from bot.local.model import Channel, Interaction, Message, Upload, User, walk
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.ocr import ScreenReader
from bot.store import Store
from bot.teach import Teacher
from bot.tutor import Answer, Tutor
from knowledge.language import Language
from knowledge.library import Library
from knowledge.search import Searcher
from sandbox.protocol import ExceptionReport, Limits, Result, Snippet, Status
from sandbox.runner import Runner, Watch
from sandbox.waiting import WaitingRoom

TOKEN = "a-token-for-tests"
MAX_BYTES = 20_000
_CLOSE_S = 60.0
"""A bot that does not end is the fault of one test and must not become that of all after it."""

MESSAGE = "mat1 and mat2 shapes cannot be multiplied (5x11 and 7x3)"
TRACEBACK = f"""\
Traceback (most recent call last):
  File "demo.py", line 5, in <module>
    layer(torch.randn(5, 11))
RuntimeError: {MESSAGE}"""
CODE = "import torch\nlayer = torch.nn.Linear(7, 3)\nlayer(torch.randn(5, 11))"
POST = f"why does my layer refuse this?\n```python\n{CODE}\n```\n```\n{TRACEBACK}\n```"
SLUG = "matmul-shape-mismatch"
OTHER_TRACEBACK = """\
Traceback (most recent call last):
  File "demo.py", line 3, in <module>
    a.view(2, 3)
RuntimeError: shape '[2, 3]' is invalid for input of size 8"""
WORKED = Result(status=Status.OK, exit_code=0, stdout="it ran\n", wall_s=0.01)
FAILED = Result(
    status=Status.ERROR,
    exit_code=1,
    wall_s=0.01,
    exception=ExceptionReport(type="RuntimeError", message=MESSAGE, traceback=TRACEBACK, line=3),
)


class ScriptedSandbox:
    """Ends a run as the first of `endings` whose text stands in the code, else well.

    Code that holds "crash" breaks the sandbox itself.
    """

    def __init__(self) -> None:
        self.endings: dict[str, Result] = {"randn(5, 11)": FAILED}
        self.ran: list[Snippet] = []
        self.gate = asyncio.Event()
        self.gate.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Runs that are begun in here end only after it."""
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """One run, which waits while the gate is closed."""
        await self.gate.wait()
        self.ran.append(snippet)
        if "crash" in snippet.code:
            raise RuntimeError(f"the walls fell, and the token is {TOKEN}")
        return next((end for text, end in self.endings.items() if text in snippet.code), WORKED)


class HesitantTutor(Tutor):
    """The tutor, who can be made unsure of everything."""

    hesitates = False

    async def answer(self, text: str, language: Language | None = None) -> Answer:
        """What the tutor says, as a mere guess while it hesitates."""
        answer = await super().answer(text, language)
        return dataclasses.replace(answer, explanation=None) if self.hesitates else answer


class StudyGroup:
    """What people do in the local Discord, and what they see."""

    def __init__(
        self,
        local: LocalDiscord,
        bot: TutorBot,
        tutor: HesitantTutor,
        sandbox: ScriptedSandbox,
        room: WaitingRoom,
    ) -> None:
        self.local, self.bot, self.tutor, self.sandbox = local, bot, tutor, sandbox
        self.room = room
        self.world = local.world
        self.learner, self.friend = local.world.people[:2]
        self.help: Channel = next(iter(local.world.channels.values()))

    def say(
        self,
        text: str,
        *files: tuple[str, bytes],
        channel: Channel | None = None,
        reply_to: Message | None = None,
        author: User | None = None,
    ) -> Message:
        """Post a message."""
        place = channel or self.help
        uploads = [Upload(name, data) for name, data in files]
        return self.world.say(
            author or self.learner, place, text, uploads=uploads, reply_to=reply_to
        )

    def make_unsure(self) -> None:
        """From now on the search finds what it finds, but is never sure of it."""
        self.tutor.hesitates = True

    def bot_messages(self, channel: Channel | None = None) -> list[Message]:
        """The bot's finished messages, oldest first, also those that one person alone sees."""
        place = channel or self.help
        return [
            message
            for message in self.world.messages(place)
            if message.author == self.world.bot and not message.loading
        ]

    async def answer(self, number: int = 1, channel: Channel | None = None) -> Message:
        """The bot's message with this number, once the bot has settled down."""
        await until(lambda: len(self.bot_messages(channel)) >= number)
        await idle()
        return self.bot_messages(channel)[number - 1]

    async def silence(self, expected: int = 0) -> None:
        """Nothing more than `expected` messages comes, when everything said is worked off."""
        direct = self.world.direct_channel(self.friend)
        before = len(self.bot_messages(direct))
        self.say("", ("empty.txt", b" "), channel=direct, author=self.friend)
        await until(lambda: len(self.bot_messages(direct)) > before)
        await idle()
        assert len(self.bot_messages()) == expected

    def slash(
        self,
        name: str,
        *,
        file: tuple[str, bytes] | None = None,
        locale: str = "en-US",
        user: User | None = None,
        **options: str,
    ) -> Interaction:
        """Use a slash command."""
        command = next(item for item in slash_commands(self.world) if item.name == name)
        values: list[dict[str, Any]] = [
            {"name": key, "type": 3, "value": value} for key, value in options.items()
        ]
        attached = []
        if file is not None:
            held = self.world.attach(Upload(*file), self.help)
            attached.append(held)
            values.append({"name": "file", "type": 11, "value": str(held.id)})
        return self.local.interactions.slash(
            user or self.learner, self.help, command, values, attachments=attached, locale=locale
        )

    def menu(self, name: str, message: Message, *, locale: str = "en-US") -> Interaction:
        """Choose from a message's context menu."""
        command = next(item for item in message_commands(self.world) if item["name"] == name)
        return self.local.interactions.on_message(self.learner, command, message, locale=locale)

    def press(
        self,
        message: Message,
        prefix: str,
        *,
        user: User | None = None,
        locale: str = "en-US",
    ) -> Interaction:
        """Press the button whose custom_id begins so."""
        button = next(
            item
            for item in walk(message.components)
            if item.get("custom_id", "").startswith(prefix)
        )
        return self.local.interactions.component(
            user or self.learner, message, button, locale=locale
        )

    async def fill_in(
        self,
        opened: Interaction,
        text: str = "",
        *,
        file: tuple[str, bytes] | None = None,
        locale: str = "en-US",
    ) -> Interaction:
        """Fill in the form that an interaction opens, and send it."""
        await until(lambda: opened.modal is not None)
        await idle()  # a person is slower than discord.py, which still waits for its own answer
        held = [self.world.attach(Upload(*file), self.help)] if file else []
        values = {
            "text": {"type": 4, "custom_id": "text", "value": text},
            "file": {"type": 19, "custom_id": "file", "values": [str(one.id) for one in held]},
        }
        components = [
            {"type": 18, "component": values[label["component"]["custom_id"]]}
            for label in (opened.modal or {})["components"]
        ]
        return self.local.interactions.submit(opened, components, attachments=held, locale=locale)

    async def fill_fields(
        self, opened: Interaction, *, locale: str = "en-US", **texts: str
    ) -> Interaction:
        """Fill the named fields of the form that an interaction opens, and send it."""
        await until(lambda: opened.modal is not None)
        await idle()
        fields = [label["component"] for label in (opened.modal or {})["components"]]
        components = [
            {
                "type": 18,
                "component": {
                    "type": 4,
                    "custom_id": field["custom_id"],
                    "value": texts.get(field["custom_id"], field.get("value") or ""),
                },
            }
            for field in fields
        ]
        return self.local.interactions.submit(opened, components, locale=locale)

    async def told(self, asked: Interaction) -> Message:
        """The finished answer to an interaction."""
        await until(lambda: asked.response is not None and not asked.response.loading)
        await idle()
        assert asked.response is not None
        return asked.response

    async def allow(self, **update: Any) -> None:
        """Change the settings of the server."""
        settings = GuildSettings().model_copy(update=update)
        await self.bot.desk.conduct.guilds.put(GUILD_ID, settings)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; fails the test when it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.005)


async def idle() -> None:
    """Wait until discord.py has worked off every event that it has begun."""
    at_work = ("discord.py: on_", "CommandTree", "discord-ui-dynamic", "discord-ui-modal")

    def busy() -> list[str]:
        return [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith(at_work)]

    try:
        await until(lambda: not busy(), 10)
    except TimeoutError:
        pytest.fail(f"the bot does not come to rest: {busy()}")


async def settled(group: StudyGroup) -> None:
    """Wait until the bot has caught up after its login, however busy the machine is."""
    await group.bot.wait_until_ready()
    at_work = "discord.py: on_ready"
    await until(lambda: not any(t.get_name() == at_work for t in asyncio.all_tasks()))
    await idle()


def labels(message: Message) -> list[str]:
    """What stands on the buttons under a message."""
    return [item["label"] for item in walk(message.components) if item.get("type") == 2]


def shown(message: Message) -> str:
    """All words of a message."""
    parts = [message.content]
    for embed in message.embeds:
        parts += [embed.get("title", ""), embed.get("description", "")]
        parts += [text for field in embed.get("fields", []) for text in field.values() if text]
        parts.append((embed.get("footer") or {}).get("text", ""))
    return "\n".join(map(str, parts))


@asynccontextmanager
async def study_group(
    local: LocalDiscord,
    searcher: Searcher,
    database: Path | URL,
    *,
    message_content: bool = True,
    keep: timedelta = timedelta(days=30),
    rules: Rules | None = None,
    window: Window | None = None,
    shard_count: int | None = None,
    shard_ids: Sequence[int] | None = None,
    library: Library | None = None,
    entries: Path | None = None,
    runner: Runner | None = None,
) -> AsyncIterator[StudyGroup]:
    """The bot, logged in. Entering again with the same database is a restart.

    `library` reads own entries out of the folder `entries`; `runner` takes the place of the
    scripted sandbox.
    """
    sandbox = ScriptedSandbox()
    async with Store(database, keep) as store:
        room = WaitingRoom(runner or sandbox, at_once=2)
        tutor = HesitantTutor(searcher, room, library)
        conduct = Conduct(Guilds(store.database), rules)
        intake = Intake(MAX_BYTES, ScreenReader())
        desk = Desk(tutor, store, intake, conduct, teacher=Teacher(tutor, entries))
        async with TutorBot(
            desk,
            message_content=message_content,
            window=window,
            shard_count=shard_count,
            shard_ids=shard_ids,
        ) as bot:
            bot._connection.guild_ready_timeout = 0.2  # s; the guilds come at once
            running = asyncio.create_task(bot.start(TOKEN))
            await until(lambda: running.done() or len(bot.guilds) > 0)
            if running.done():
                await running
            try:
                yield StudyGroup(local, bot, tutor, sandbox, room)
                await idle()
            finally:
                async with asyncio.timeout(_CLOSE_S):
                    await bot.close()
                    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def local_discord(
    monkeypatch: pytest.MonkeyPatch, *, message_content: bool = True
) -> AsyncIterator[LocalDiscord]:
    """A local Discord for the bot to log in to; patient, so that a busy machine fails no test.

    `bot.local.faults.InteractionFault` makes interactions late.
    """
    async with LocalDiscord(
        port=0, token=TOKEN, page=False, message_content=message_content, answer_within=60
    ) as local:
        monkeypatch.setattr("discord.http.Route.BASE", "")
        monkeypatch.setattr("discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY", None)
        point_at(f"{local.url}/api/v10", local.gateway.url)
        yield local
