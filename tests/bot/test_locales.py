"""Every text exists in every language, is up to date, and fits where Discord shows it."""

from __future__ import annotations

import ast
import json
import re
import string
from pathlib import Path

import pytest

from bot.conduct import Right
from bot.confirm import Verdict
from bot.guilds import GuildSettings, Place, QuietHours, Runners
from bot.locale import catalogue, language_of, say
from bot.modals import Purpose
from bot.prove import Flaw
from bot.repair import REGISTER, Grade
from bot.teaching import FIELDS
from knowledge.language import Language
from knowledge.search import Evidence
from sandbox.protocol import Check, Device, Status, Tier, Wall
from sandbox.waiting import Reason

BOT = Path(__file__).parents[2] / "bot"
COMMAND_LINE = {"cli.py", "knowledge_cli.py", "command_input.py"}
DISCORD_SIDE = [
    path
    for path in sorted(BOT.rglob("*.py"))
    if path.relative_to(BOT).parts[0] != "local" and path.name not in COMMAND_LINE
]
"""The command line speaks English; the local Discord's page has texts of its own."""

FAMILIES = {
    "evidence.": [evidence.name.lower() for evidence in Evidence],
    "run.title.": [status.value for status in Status],
    "run.help.": [status.value for status in set(Status) - {Status.OK, Status.ERROR}],
    "outcome.": [status.value for status in Status],
    "tier.": [tier.value for tier in Tier],
    "device.": [device.value for device in Device],
    "verdict.": [
        f"{verdict.name.lower()}.{part}" for verdict in Verdict for part in ("title", "body")
    ],
    "check.": [check.name.lower() for check in Check],
    "button.": [
        *("confirm", "repair", "picture", "correct", "others", "delete", "stop", "details"),
        *("up", "down", "back", "next"),
    ],
    "answer.only_in.": [language.value for language in Language],
    "vote.thanks.": ["up", "down"],
    "lesson.": [f"{name}.{part}" for name in FIELDS for part in ("label", "description")],
    "flaw.": [flaw.name.lower() for flaw in Flaw],
    "grade.": [grade.value for grade in Grade],
    "repair.": [name.replace("-", "_") for name in REGISTER],
    "trouble.not_allowed.": [right.value for right in Right],
    "run.wall.": [wall.value for wall in Wall],
    "trouble.too_many.": [reason.value for reason in Reason],
    "settings.": [
        *(f"{setting}.name" for setting in GuildSettings.model_fields if setting != "runner_role"),
        *(f"place.{one}" for place in Place for one in (place, f"to.{place}")),
        *(f"runners.{runners}" for runners in Runners),
        *(f"language.{language}" for language in ("auto", *Language)),
        *(
            f"{setting}.{one}"
            for setting in ("gpu", "store_posts")
            for one in ("on", "off", "to.on", "to.off")
        ),
        "quiet.to.ask",
        *(f"quiet.{field}" for field in QuietHours.model_fields),
        *(f"quiet.{field}.example" for field in QuietHours.model_fields),
    ],
    "modal.": [
        *(
            f"{purpose}.{part}"
            for purpose in Purpose
            for part in ("title", "label", "description", "placeholder", "file")
        ),
        "too_long",
    ],
}
"""Keys that the code puts together: the prefix, and all that can follow."""

SAME_EVERYWHERE = {
    "device.cpu",
    "modal.explain.placeholder",
    "modal.run.placeholder",
    "modal.confirm.placeholder",
    "modal.correct.placeholder",
}
ENGLISH = catalogue(Language.EN)
TRANSLATIONS = [Language.JA, Language.ZH]


def fields(text: str) -> set[str]:
    """The named places of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def strings_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def calls(path: Path, name: str) -> list[ast.Call]:
    """The calls of a function by its bare name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def family_keys() -> set[str]:
    return {prefix + rest for prefix, all_rest in FAMILIES.items() for rest in all_rest}


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_exactly_the_keys_of_the_english_texts(language: Language) -> None:
    assert set(catalogue(language)) == set(ENGLISH)


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_no_translation_is_stale(language: Language) -> None:
    entries = json.loads((BOT / "locales" / f"{language}.json").read_text(encoding="utf-8"))
    stale = [key for key, entry in entries.items() if entry["source"] != ENGLISH.get(key)]

    assert stale == [], "the English text changed: translate these again, then copy it to `source`"


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_fills_in_the_same_fields(language: Language) -> None:
    different = {
        key: text
        for key, text in catalogue(language).items()
        if fields(text) != fields(ENGLISH[key])
    }
    assert different == {}


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated(language: Language) -> None:
    same = {key for key, text in catalogue(language).items() if text == ENGLISH[key]}

    assert same == SAME_EVERYWHERE


def test_fields_are_named_so_that_languages_can_order_them() -> None:
    assert [key for key, text in ENGLISH.items() if "" in fields(text)] == []


def test_every_key_that_the_code_names_exists() -> None:
    named = {
        argument.value
        for path in DISCORD_SIDE
        for name, place in (("say", 1), ("localized", 0))
        for call in calls(path, name)
        if isinstance(argument := call.args[place], ast.Constant)
    }
    assert len(named) > 20
    assert named - set(ENGLISH) == set()


def test_every_key_that_the_code_puts_together_exists() -> None:
    assert family_keys() - set(ENGLISH) == set()


def test_every_bad_input_has_a_sentence_with_the_values_that_it_brings() -> None:
    raised = {
        call.args[0].value: {keyword.arg for keyword in call.keywords}
        for path in DISCORD_SIDE
        for call in calls(path, "InputError")
        if isinstance(call.args[0], ast.Constant)
    }
    assert {"empty", "too_large", "binary", "not_utf8"} <= set(raised)
    assert {f"input.{key}" for key in raised} == {k for k in ENGLISH if k.startswith("input.")}
    for key, values in raised.items():
        assert fields(ENGLISH[f"input.{key}"]) <= values, key


def test_no_key_is_left_over() -> None:
    used = family_keys().union(*map(strings_in, DISCORD_SIDE))
    left_over = {key for key in ENGLISH if key not in used and not key.startswith("input.")}

    assert left_over == set()


@pytest.mark.parametrize("language", Language)
def test_texts_fit_where_discord_shows_them(language: Language) -> None:
    limits = {
        r"command\..*\.name|menu\..*": 32,
        r"command\..*\.description|device\..*": 100,
        r"button\..*|settings\..*\.to\..*": 80,
        r"settings\.(\w+\.placeholder|(language|runners)\..*)|.*\.example": 100,
        r"settings\.quiet\.\w+": 45,
        r"modal\.\w+\.(title|label|file)|lesson\.\w+\.label": 45,
        r"lesson\.\w+\.description": 100,
        r"modal\.(\w+\.(description|placeholder)|too_long)": 100,
        r"(run\.title|verdict)\..*title|change\..*|unsure\.title|others\.title": 200,
    }
    too_long = {
        key: len(text)
        for key, text in catalogue(language).items()
        for pattern, limit in limits.items()
        if re.fullmatch(pattern, key) and len(text) > limit
    }
    assert too_long == {}


@pytest.mark.parametrize("language", Language)
def test_command_names_are_names_to_discord(language: Language) -> None:
    names = {k: t for k, t in catalogue(language).items() if re.fullmatch(r"command\..*\.name", k)}

    assert names
    for key, name in names.items():
        assert re.fullmatch(r"[-_\w]{1,32}", name), key
        assert name == name.lower(), key


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("ja", Language.JA),
        ("zh-CN", Language.ZH),
        ("zh-TW", Language.ZH),
        ("en-US", Language.EN),
        ("de", Language.EN),
        ("", Language.EN),
    ],
)
def test_the_language_follows_the_locale(locale: str, language: Language) -> None:
    assert language_of(locale) is language


def test_a_text_is_said_with_its_fields() -> None:
    assert say(Language.EN, "run.title.exit", code=3, signal=None).endswith("3")
    with pytest.raises(KeyError):
        say(Language.EN, "no.such.key")
