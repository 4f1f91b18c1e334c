"""The service behind every front end: explain a post, run a snippet, confirm a fix."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bot.confirm import Confirmation, Confirmer
from bot.inputs import require_text
from bot.outcome import said_by
from bot.proposal import Proposed, propose
from bot.simulation import needs_simulation
from knowledge.encoder import Vectors
from knowledge.entry import Entry
from knowledge.explain import Explanation, explain
from knowledge.language import Language, detect_language
from knowledge.library import Changes, Library
from knowledge.post import Post, parse
from knowledge.search import Match, Ranking, Searcher
from sandbox.protocol import Device, Result, Snippet, Status
from sandbox.runner import Runner, SandboxError, Watch
from sandbox.waiting import NOBODY, Asker, WaitingRoom

THINKERS: Final = 2
"""Threads that search. They are few, because Python runs one at a time and the heartbeat waits for
its turn among them; and their own, so that in a flood of posts nothing else waits behind it."""
NEAREST = 3
"""How many explanations are offered when none is sure."""


class NotProvable(ValueError):
    """An entry whose example cannot run here; the message is the reason that the entry gives."""


class UnknownEntry(LookupError):
    """A slug that no entry has."""


@dataclass(frozen=True)
class Answer:
    """What the tutor has to say about a post."""

    post: Post
    language: Language
    ranking: Ranking
    explanation: Explanation | None
    """The explanation that fits; None where silence is better in a channel."""
    candidates: tuple[Explanation, ...]
    """Up to three nearest explanations, best first, also when none is sure."""
    proposed: Proposed | None = None
    """A sure change to the post's own code, not run yet."""


@dataclass(frozen=True)
class RunReport:
    """A finished run, and the explanation of what went wrong in it."""

    result: Result
    language: Language
    answer: Answer | None
    """None when the run raised nothing and warned of nothing."""
    checked: bool = False
    """Whether silent pitfalls were looked for; the result then lists what was found."""


@dataclass(frozen=True)
class ExampleRun:
    """An entry's own example, run twice: as it fails and as it works."""

    explanation: Explanation
    before: Result
    after: Result


class Tutor:
    """Joins knowledge and sandbox. One instance serves all front ends of a process."""

    def __init__(
        self,
        searcher: Searcher,
        room: WaitingRoom | None = None,
        library: Library | None = None,
    ) -> None:
        """`room` leads to the sandbox; without one the tutor explains and runs nothing.

        `library` is where the entries of `searcher` come from, where they can change.
        """
        self._searcher = searcher
        self._room = room
        self._library = library
        self._thinkers = ThreadPoolExecutor(THINKERS, "thinker")

    async def answer(self, text: str, language: Language | None = None) -> Answer:
        """The explanation that fits `text`, or the nearest ones.

        `language` is the one to answer in; the post's own when None. Raises InputError for blank
        text.
        """
        require_text(text, "the post")
        thinking = self._thinkers.submit(self._answer, text, language)
        return await asyncio.wrap_future(thinking)

    def _answer(self, text: str, language: Language | None) -> Answer:
        post = parse(text)
        spoken = language or post.language
        ranking = self._searcher.search(post)
        candidates = tuple(self._explain(match, spoken) for match in ranking.matches[:NEAREST])
        if not (ranking.answered and candidates):
            return Answer(post, spoken, ranking, None, candidates)
        proposed = propose(post, ranking.matches[0])
        return Answer(post, spoken, ranking, candidates[0], candidates, proposed)

    def _explain(self, match: Match, language: Language) -> Explanation:
        return explain(match.entry, match.slots, language, self._searcher.by_slug)

    async def prepare(self) -> None:
        """Load the language model and its index now, not at the first post that needs them.

        Raises EncoderError when the model cannot be loaded.
        """
        await asyncio.to_thread(self._searcher.load)

    async def refresh(self) -> Changes:
        """Take over what changed in the group's own entries since the last time.

        Searches go on meanwhile. Raises EncoderError when the new texts cannot be encoded; the old
        entries stay then, and the next call tries again.
        """
        if self._library is None:
            return Changes()
        return await asyncio.to_thread(self._refresh, self._library)

    def _refresh(self, library: Library) -> Changes:
        changes = library.refresh()
        if library.current() is not self._searcher.entries:
            self._searcher.replace(library.current())
        return changes

    def trying(self, entry: Entry) -> Tutor:
        """A tutor that knows `entry` too, to try it before it goes live. Takes a moment.

        Raises EncoderError.
        """
        return Tutor(self._searcher.beside(entry), self._room)

    async def meanings(self, texts: Sequence[str]) -> Vectors:
        """What texts mean, as vectors. Raises EncoderError."""
        return await asyncio.to_thread(self._searcher.meanings, texts)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, sorted by slug."""
        return self._searcher.entries

    def entry(self, slug: str) -> Entry:
        """The entry with this slug. Raises UnknownEntry."""
        try:
            return self._searcher.by_slug[slug]
        except KeyError:
            raise UnknownEntry(f"There is no entry {slug!r}.") from None

    def explain(
        self, slug: str, language: Language, slots: Mapping[str, int | float | str] | None = None
    ) -> Explanation:
        """The explanation of one entry, with the slots of a message where given."""
        return explain(self.entry(slug), slots or {}, language, self._searcher.by_slug)

    async def run(
        self,
        code: str,
        device: Device = Device.CPU,
        language: Language | None = None,
        *,
        check: bool = False,
        asker: Asker = NOBODY,
        watch: Watch | None = None,
    ) -> RunReport:
        """Run `code` in the sandbox and explain how it ended; with `check`, look for pitfalls too.

        `watch` hears where the run stands in the line, and then what it prints. Raises InputError
        for blank code, TooManyRuns when the line is full, and SandboxError when the sandbox cannot
        run anything.
        """
        require_text(code, "the snippet")
        spoken = language or detect_language(code)
        snippet = Snippet(code=code, device=device, check=check)
        async with self._turn(asker, device, watch) as runner:
            result = await _run(runner, snippet, watch)
        said = said_by(result)
        answer = await self.answer(said, spoken) if said else None
        return RunReport(result, spoken, answer, check)

    async def confirm(
        self,
        post: str,
        code: str | None,
        language: Language | None = None,
        *,
        asker: Asker = NOBODY,
        watch: Watch | None = None,
    ) -> Confirmation:
        """Run the post's own code, then `code`, and judge whether the error of the post is gone.

        Without `code` the tutor looks for a change itself, and runs it before it shows it. `watch`
        hears where the request stands in the line.

        Raises InputError for a blank post or code, TooManyRuns when the line is full, and
        SandboxError when the sandbox fails.
        """
        if code is not None:
            require_text(code, "the code to confirm")
        asked = await self.answer(post, language)
        async with self._turn(asker, watch=watch) as runner:
            confirmer = self._confirmer(runner, asked, code or "")
            if code is None:
                return await confirmer.mend(asked)
            return await confirmer.judge(asked, code)

    async def reproduce(
        self,
        post: str,
        language: Language | None = None,
        *,
        asker: Asker = NOBODY,
        watch: Watch | None = None,
    ) -> Result | None:
        """The run of the post's own code; None when it holds none. Raises as `confirm` does."""
        asked = await self.answer(post, language)
        async with self._turn(asker, watch=watch) as runner:
            return await self._confirmer(runner, asked).reproduce(asked)

    def _turn(
        self, asker: Asker, device: Device = Device.CPU, watch: Watch | None = None
    ) -> AbstractAsyncContextManager[Runner]:
        if self._room is None:
            raise SandboxError("This tutor explains and does not run code: it has no sandbox.")
        return self._room.turn(asker, device, watch)

    def _confirmer(self, runner: Runner, asked: Answer, code: str = "") -> Confirmer:
        slug = asked.explanation.slug if asked.explanation else None
        simulate = needs_simulation(slug, "\n\n".join(asked.post.code), code)
        return Confirmer(self.answer, partial(_run, runner), simulate_cuda=simulate)

    async def example(
        self,
        slug: str,
        language: Language,
        *,
        asker: Asker = NOBODY,
        watch: Watch | None = None,
    ) -> ExampleRun:
        """Run the failing and the working code of an entry, side by side.

        Raises UnknownEntry, NotProvable when the entry's failure cannot be shown here, and
        TooManyRuns when the line is full.
        """
        entry = self.entry(slug)
        if not entry.proof.provable or entry.fails is None or entry.works is None:
            raise NotProvable(entry.proof.reason or f"The entry {slug} has no example to run.")
        async with self._turn(asker, watch=watch) as runner:
            before, after = await asyncio.gather(
                _run(runner, Snippet(code=entry.fails)), _run(runner, Snippet(code=entry.works))
            )
        return ExampleRun(self.explain(slug, language), before, after)


async def _run(runner: Runner, snippet: Snippet, watch: Watch | None = None) -> Result:
    result = await runner.run(snippet, watch=watch)
    if result.status is Status.INTERNAL:
        raise SandboxError(result.detail or "The sandbox ended without a result. Try again.")
    return result
