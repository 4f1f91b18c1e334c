"""A group's own entries reach a running tutor, and leave it, without a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from bot.assembly import follow
from bot.locale import say
from bot.render import explained as reply
from bot.settings import Settings
from bot.tutor import Tutor, UnknownEntry
from knowledge.encoder import Encoder, Vectors
from knowledge.language import Language
from knowledge.library import Library
from knowledge.search import Searcher

OWN = """\
---
title: The cluster's tensor cutter is dull
kind: error
device: any
signatures:
  - "tensor cutter {name:w} is dull"
symptoms:
  - the cutter of our cluster leaves crumbs
proof:
  reason: Needs the cluster.
  recorded: tensor cutter A7 is dull
---

{% if name %}Cutter {{ name }} is dull.{% else %}A cutter is dull.{% endif %}

## Cause

Nobody sharpened it.

## Fix

Sharpen it.
"""
POST = "import torch\nRuntimeError: tensor cutter B12 is dull"
EVERY_S = 0.05


class Counting(Encoder):
    """The real encoder; remembers the passages that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        return super().passages(texts)


@pytest.fixture
def encoder() -> Counting:
    return Counting()


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, searcher: Searcher) -> Path:
    """A copy of the cache in which `searcher` keeps the vectors of the shipped entries."""
    copy = tmp_path_factory.mktemp("cache")
    for path in Settings().cache.glob("*.index"):
        shutil.copy2(path, copy)
    return copy


@pytest_asyncio.fixture
async def tutor(tmp_path: Path, encoder: Counting, cache: Path) -> AsyncIterator[Tutor]:
    """A tutor as the bot has it, which looks at the folder often."""
    library = Library(tmp_path)
    own = Searcher(library.current(), encoder=encoder, cache=cache)
    own.load()
    encoder.encoded.clear()
    running = Tutor(own, library=library)
    following = asyncio.create_task(follow(running, EVERY_S))
    yield running
    following.cancel()


def write(folder: Path, text: str, name: str = "dull-cutter.md") -> Path:
    path = folder / "lab" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


async def explained(tutor: Tutor, post: str, title: str | None) -> None:
    """Return when `post` is explained by the entry with this title (None: by no own one)."""
    async with asyncio.timeout(30):
        while True:
            answer = await tutor.answer(post)
            found = answer.explanation
            own = found.title if found is not None and found.slug == "dull-cutter" else None
            if own == title:
                return
            await asyncio.sleep(EVERY_S)


async def test_a_file_that_is_dropped_in_answers_and_leaves_with_its_file(
    tutor: Tutor, tmp_path: Path
) -> None:
    await explained(tutor, POST, None)
    path = write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")
    assert tutor.entry("dull-cutter") in tutor.entries
    assert "B12" in tutor.explain("dull-cutter", Language.EN, {"name": "B12"}).summary

    path.unlink()
    await explained(tutor, POST, None)
    with pytest.raises(UnknownEntry):
        tutor.entry("dull-cutter")


async def test_a_broken_file_leaves_the_old_answer_until_it_is_mended(
    tutor: Tutor, tmp_path: Path
) -> None:
    path = write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")
    path.write_text(OWN.replace("{% endif %}", "").replace("dull\nkind", "blunt\nkind"))
    await asyncio.sleep(4 * EVERY_S)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")

    path.write_text(OWN.replace("dull\nkind", "blunt\nkind"))
    await explained(tutor, POST, "The cluster's tensor cutter is blunt")


async def test_only_new_texts_are_encoded(tutor: Tutor, tmp_path: Path, encoder: Counting) -> None:
    path = write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")
    assert sorted(encoder.encoded) == [
        "The cluster's tensor cutter is dull",
        "tensor cutter is dull",
        "the cutter of our cluster leaves crumbs",
    ]

    encoder.encoded.clear()
    path.write_text(OWN.replace("dull\nkind", "blunt\nkind"))
    await explained(tutor, POST, "The cluster's tensor cutter is blunt")
    assert encoder.encoded == ["The cluster's tensor cutter is blunt"]


async def test_what_was_encoded_for_a_group_is_kept_for_the_next_start(
    tutor: Tutor, tmp_path: Path, cache: Path
) -> None:
    write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")
    again = Counting()

    Searcher(Library(tmp_path).current(), encoder=again, cache=cache).load()

    assert again.encoded == []


async def test_an_own_entry_is_found_by_its_symptoms(tutor: Tutor, tmp_path: Path) -> None:
    write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")

    answer = await tutor.answer("why does the cutter of our cluster leave crumbs?")

    assert answer.candidates[0].slug == "dull-cutter"


async def test_a_tutor_without_a_folder_has_nothing_to_take_over(searcher: Searcher) -> None:
    assert not await Tutor(searcher).refresh()


async def test_a_missing_translation_is_shown_in_english_and_says_so(
    tutor: Tutor, tmp_path: Path
) -> None:
    write(tmp_path, OWN)
    await explained(tutor, POST, "The cluster's tensor cutter is dull")

    answer = await tutor.answer(POST, Language.JA)

    assert answer.explanation is not None
    assert answer.explanation.language is Language.EN
    [embed] = reply(answer).embeds
    assert say(Language.JA, "answer.only_in.en") in (embed.footer.text or "")
    english = await tutor.answer(POST, Language.EN)
    [embed] = reply(english).embeds
    assert say(Language.EN, "answer.only_in.en") not in (embed.footer.text or "")
