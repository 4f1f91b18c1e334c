"""The interface texts in every language. The language is always an argument, never ambient.

bot/locales/en.json maps a key to its text. A translation keeps the English text that it translates
beside its own (`{"source": …, "text": …}`), so that a changed English text shows every stale
translation; tests/bot/test_locales.py fails on one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

from knowledge.language import Language


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """All texts of one language, by key."""
    file = resources.files("bot").joinpath("locales", f"{language}.json")
    entries = json.loads(file.read_text(encoding="utf-8"))
    if language is Language.EN:
        return dict(entries)
    return {key: entry["text"] for key, entry in entries.items()}


def say(language: Language, key: str, **fields: object) -> str:
    """The text under `key` with its named fields filled in. Raises KeyError for an unknown key."""
    text = catalogue(language)[key]
    return text.format(**fields) if fields else text


def language_of(locale: str) -> Language:
    """The language to speak to somebody whose Discord is set to `locale` ("ja", "zh-CN")."""
    try:
        return Language(locale.partition("-")[0])
    except ValueError:
        return Language.EN
