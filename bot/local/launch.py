"""`tutor local`: the local Discord in this process, the real bot in one of its own beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bot.local.server import LocalDiscord, LocalDiscordError

__all__ = ["LocalDiscordError", "launch"]

_TRYING_OUT = {
    f"TUTOR_{what}_PER_{whose}": "off"
    for what in ("POSTS", "COMMANDS")
    for whose in ("USER", "CHANNEL", "GUILD")
} | {"TUTOR_REPEAT_MINUTES": "0"}
"""Settings unless others are given: here one person pastes the same example again and again."""
_END_S = 10.0


async def launch(host: str, port: int) -> None:
    """Serve until interrupted.

    Raises LocalDiscordError when the port cannot be had or the bot ends by itself.
    """
    token = secrets.token_urlsafe()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # This Discord forgets everything when it stops, so what the bot remembers of it goes too.
    with tempfile.TemporaryDirectory(prefix="tutor-local-") as state:
        async with LocalDiscord(host, port, token=token) as discord:
            environment = {
                **_TRYING_OUT,
                **os.environ,
                **discord.environment(),
                "TUTOR_TOKEN": token,
                "TUTOR_TOKEN_FILE": "",
                "TUTOR_DATABASE": str(Path(state) / "tutor.db"),
            }
            print(f"Traceback Tutor is at {discord.url} (Ctrl-C ends it)", flush=True)
            await _keep_bot(environment, stopped)


async def _keep_bot(environment: dict[str, str], stopped: asyncio.Event) -> None:
    """Run the bot until `stopped`; a bot that ends before that is an error."""
    command = [sys.executable, "-m", "bot", "serve"]
    if guard := shutil.which("setpriv"):
        # Should this process be killed outright, the bot must not stay behind.
        command = [guard, "--pdeathsig", "TERM", *command]
    bot = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)
    ended = asyncio.create_task(bot.wait())
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({ended, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set():
            raise LocalDiscordError(
                f"The bot ended by itself with exit code {bot.returncode}; what it said stands "
                "above. `tutor doctor` names what is missing."
            )
    finally:
        waiting.cancel()
        if bot.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                bot.terminate()
            await asyncio.wait({ended}, timeout=_END_S)
            if not ended.done():
                bot.kill()
                await ended
