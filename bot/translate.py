"""Names and descriptions of the commands in the languages that Discord shows them in."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.locale import language_of, say
from knowledge.language import Language

_OFFERED = frozenset(
    {discord.Locale.japanese, discord.Locale.chinese, discord.Locale.taiwan_chinese}
)


def localized(key: str) -> app_commands.locale_str:
    """The English text under `key`, which Discord shows translated where there is a translation."""
    return app_commands.locale_str(say(Language.EN, key), key=key)


class CommandTranslator(app_commands.Translator):
    """Looks the texts of `localized` up in bot/locales."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The translation; None where English is shown."""
        key = string.extras.get("key")
        if key is None or locale not in _OFFERED:
            return None
        return say(language_of(locale.value), key)
