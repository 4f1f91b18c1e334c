"""`docker compose up`: a learner in the local Discord, the bot, queue and workers in containers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from engine import SECRETS, Compose, Images, docker, write_secrets
from study_group import CODE, MESSAGE, OTHER_TRACEBACK, POST, SLUG, StudyGroup, shown, until

from bot.local.model import Message
from bot.local.server import LocalDiscord
from bot.locale import say
from knowledge.language import Language

_UP_S = 240
_RESULT_S = 120
_DONE = "Ran without error"
_REDELIVER_S = 2


class System(StudyGroup):
    """The learners' end of a bot that runs in a container."""

    def __init__(self, local: LocalDiscord, compose: Compose) -> None:
        self.local, self.compose, self.world = local, compose, local.world
        self.learner, self.friend = local.world.people[:2]
        self.help = next(iter(local.world.channels.values()))

    def with_words(self, *words: str) -> list[Message]:
        """The bot's messages in which all these words stand."""
        return [m for m in self.bot_messages() if all(word in shown(m) for word in words)]

    async def saying(self, *words: str) -> Message:
        """The bot's message in which all these words stand, as soon as there is one."""
        try:
            await until(lambda: bool(self.with_words(*words)), _RESULT_S)
        except TimeoutError:
            said = "\n---\n".join(map(shown, self.bot_messages()[-4:]))
            pytest.fail(f"nobody says {words}, but:\n{said}")
        return self.with_words(*words)[0]

    def start_run(self, code: str) -> str:
        """Ask for a run that prints a word of its own at its end; gives the word."""
        word = f"end-{secrets.token_hex(6)}"
        self.slash("run", file=("snippet.py", f"{code}\nprint('{word}')\n".encode()))
        return word

    async def worker_with_a_run(self) -> str:
        """The id of the container whose worker has a run, as Redis knows it."""
        entries: list[str] = []
        async with asyncio.timeout(_RESULT_S):
            while not entries:
                entries = await self.redis("XPENDING", "tutor:runs:cpu", "workers", *"-+1")
        return entries[1].split(":")[0]

    async def redis(self, *words: str) -> list[str]:
        """The lines that Redis answers."""
        (container,) = self.compose.containers("redis")
        command = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" exec redis-cli "$@"'
        said = await asyncio.to_thread(
            docker, "exec", container, "sh", "-c", command, "redis-cli", *words
        )
        return said.splitlines()

    async def health(self) -> dict[str, str]:
        """What the engine says of each container."""
        ids = await asyncio.to_thread(self.compose.containers)
        said = json.loads(await asyncio.to_thread(docker, "inspect", *ids))
        return {one["Name"].strip("/"): one["State"]["Health"]["Status"] for one in said}

    async def logs(self) -> str:
        """The last lines of all containers."""
        return await asyncio.to_thread(self.compose, "logs", "--no-color", "--tail=40")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(images: Images, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """Everything that docker-compose.yml starts, with two workers, logged in to a local Discord."""
    token = secrets.token_urlsafe()
    folder: Path = tmp_path_factory.mktemp("system") / "secrets"
    write_secrets(folder, token)
    # An address of this machine that its containers reach.
    gateway = docker(
        "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
    )
    async with LocalDiscord(gateway, 0, token=token, page=False) as local:
        name = f"tutor-test-{secrets.token_hex(4)}"
        variables = {
            **images.environment(),
            **local.environment(),
            "TUTOR_BROKER_REDELIVER_S": str(_REDELIVER_S),
            "TUTOR_RUNS_PER_USER": "8",
        }
        compose = Compose(name, folder, variables)
        system = System(local, compose)
        try:
            await asyncio.to_thread(compose, "up", "--detach", "--scale", "worker=2")
            try:
                await until(lambda: local.gateway.online and bool(local.world.commands), _UP_S)
            except TimeoutError:
                pytest.fail(f"the bot does not log in:\n{await system.logs()}")
            yield system
        finally:
            await asyncio.to_thread(compose.down)


async def test_a_posted_traceback_is_answered_and_its_example_proven_by_a_worker(
    system: System,
) -> None:
    system.say(POST)
    answer = await system.saying(SLUG, "11")
    system.press(answer, "tutor:example:")

    proof = await system.saying("After: runs without error")
    assert [embed["title"].split(":")[0] for embed in proof.embeds] == ["Before", "After"]


async def test_a_run_comes_back_from_a_worker_with_its_walls(system: System) -> None:
    word = system.start_run("import os\nprint('pid', os.getpid(), os.listdir('/'))")
    message = await system.saying(word, _DONE)

    assert "opt" in shown(message) and "run" not in shown(message).split("'")


async def test_a_failing_run_is_explained(system: System) -> None:
    system.slash("run", file=("snippet.py", CODE.encode()))
    message = await system.saying(MESSAGE, say(Language.EN, "run.title.error"))

    assert SLUG in shown(message)


async def test_what_the_bot_keeps_is_in_the_database_and_outlives_a_restart(
    system: System,
) -> None:
    before = set(system.bot_messages())
    post = system.say(OTHER_TRACEBACK, author=system.friend)
    await until(lambda: bool(set(system.bot_messages()) - before), _RESULT_S)
    (answer,) = set(system.bot_messages()) - before
    await asyncio.to_thread(system.compose, "restart", "bot")
    await until(lambda: system.local.gateway.online, _UP_S)
    system.world.delete(post)

    await until(lambda: answer not in system.bot_messages(), _RESULT_S)


async def test_a_run_outlives_its_worker_and_is_answered_once(system: System) -> None:
    word = system.start_run("import time\ntime.sleep(4)")
    killed = await system.worker_with_a_run()
    await asyncio.to_thread(docker, "kill", killed)
    await system.saying(word, _DONE)
    later = system.start_run("print('after it')")
    await system.saying(later, _DONE)

    assert len(system.with_words(word)) == 1
    (left,) = await asyncio.to_thread(system.compose.containers, "worker")
    assert not left.startswith(killed)


async def test_a_restart_of_the_queue_loses_no_accepted_run(system: System) -> None:
    words = [system.start_run("import time\ntime.sleep(3)") for _ in range(5)]
    await system.worker_with_a_run()
    (container,) = system.compose.containers("redis")
    await asyncio.to_thread(docker, "restart", "--time", "0", container)
    for word in words:
        await system.saying(word, _DONE)

    later = system.start_run("print('after it')")
    await system.saying(later, _DONE)
    assert [len(system.with_words(word)) for word in words] == [1] * len(words)


async def test_every_container_is_healthy_and_none_has_a_secret_in_its_settings(
    system: System,
) -> None:
    async with asyncio.timeout(_UP_S):
        while set((await system.health()).values()) != {"healthy"}:  # noqa: ASYNC110
            await asyncio.sleep(1)
    ids = await asyncio.to_thread(system.compose.containers)
    settings = await asyncio.to_thread(docker, "inspect", *ids)
    for name in SECRETS:
        assert (system.compose.secrets / name).read_text("ascii").strip() not in settings
    for container in json.loads(settings):
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"] and host["ReadonlyRootfs"]
        assert not container["HostConfig"]["PortBindings"]
