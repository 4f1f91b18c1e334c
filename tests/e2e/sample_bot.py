"""A small real discord.py bot that uses everything the page can show. Started as a process.

python sample_bot.py API GATEWAY TOKEN
"""

from __future__ import annotations

import asyncio
import io
import struct
import sys
import zlib

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

_NAMES = {
    "explain": {"ja": "解説", "zh-CN": "解释"},
    "Explain an error": {"ja": "エラーを解説します", "zh-CN": "解释一个报错"},
    "text": {"ja": "テキスト", "zh-CN": "文本"},
    "file": {"ja": "ファイル", "zh-CN": "文件"},
    "Explain this error": {"ja": "このエラーを解説", "zh-CN": "解释这个报错"},
}


class Translator(app_commands.Translator):
    """Names the commands in three languages."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        return _NAMES.get(string.message, {}).get(locale.value)


def plot() -> bytes:
    """A small picture."""
    rows = b"".join(b"\x00" + bytes((x * 2 % 256, 90, 180) * 1)[:3] * 120 for x in range(80))
    header = struct.pack(">IIBBBBB", 120, 80, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class Form(discord.ui.Modal, title="Confirm my fix"):
    """Asks for code."""

    code: discord.ui.TextInput[Form] = discord.ui.TextInput(
        label="Code", style=discord.TextStyle.paragraph, placeholder="import torch"
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(
            f"```py\n{self.code.value}\n```{interaction.locale}", ephemeral=True
        )


class Buttons(discord.ui.View):
    """One button of each kind of outcome."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Run the example", style=discord.ButtonStyle.success)
    async def run(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        await interaction.response.defer(thinking=True)
        await asyncio.sleep(0.3)
        await interaction.followup.send(
            "ran",
            files=[
                discord.File(io.BytesIO(b"step 1 loss 2.3\nstep 2 loss 1.9\n"), "output.txt"),
                discord.File(io.BytesIO(plot()), "plot.png"),
            ],
        )

    @discord.ui.button(label="Confirm my fix", style=discord.ButtonStyle.primary)
    async def confirm(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.button(label="Silent", style=discord.ButtonStyle.danger)
    async def silent(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        """Answers nothing."""

    @discord.ui.button(label="Done", style=discord.ButtonStyle.secondary)
    async def done(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        button.disabled = True
        await interaction.response.edit_message(content="**Done**", view=self)

    @discord.ui.select(
        placeholder="Other matches",
        options=[discord.SelectOption(label="One"), discord.SelectOption(label="Two")],
    )
    async def choose(
        self, interaction: discord.Interaction, select: discord.ui.Select[Buttons]
    ) -> None:
        await interaction.response.send_message(f"chose {select.values[0]}", ephemeral=True)


def answer(text: str) -> discord.Embed:
    """An embed with everything that an answer has."""
    embed = discord.Embed(
        title="The matrix shapes do not fit",
        description=f"You wrote `{text[:40]}`.\n- **first** line\n- second\n> quoted\n"
        "```diff\n- nn.Linear(512, 10)\n+ nn.Linear(784, 10)\n```",
        colour=0xEE4C2C,
        url="https://docs.pytorch.org",
    )
    embed.add_field(name="Expected", value="`784`").add_field(name="Got", value="`512`")
    embed.set_footer(text="matmul-shape-mismatch")
    return embed


class SampleBot(discord.AutoShardedClient):
    """Answers every message of a person."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, messages=True, message_content=True),
            guild_ready_timeout=0.05,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Translator())
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            files = " ".join(item.filename for item in message.attachments)
            await message.reply(files or None, embed=answer(message.content), view=Buttons())

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        if event.message.author != self.user:
            await event.message.channel.send(f"edited to {event.message.content}")


def commands(bot: SampleBot) -> None:
    """Register one command of each kind."""

    @bot.tree.command(
        name=app_commands.locale_str("explain"),
        description=app_commands.locale_str("Explain an error"),
    )
    @app_commands.rename(text=app_commands.locale_str("text"), file=app_commands.locale_str("file"))
    async def explain(
        interaction: discord.Interaction,
        text: str | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        if text is None and file is None:
            await interaction.response.send_modal(Form())
            return
        content = (await file.read()).decode() if file else text
        await interaction.response.send_message(
            f"{interaction.locale}: {content}", ephemeral=bool(file)
        )

    @bot.tree.command(name="silent", description="Answers nothing")
    async def silent(interaction: discord.Interaction) -> None:
        """Lets the time pass."""

    @bot.tree.context_menu(name=app_commands.locale_str("Explain this error"))
    async def on_message(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(message.content.upper(), ephemeral=True)


def main() -> None:
    """Log in where the arguments say."""
    api, gateway, token = sys.argv[1:]
    Route.BASE = api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    bot = SampleBot()
    commands(bot)
    bot.run(token, log_handler=None)


if __name__ == "__main__":
    main()
