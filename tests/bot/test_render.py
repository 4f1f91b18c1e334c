"""Every message of the bot keeps Discord's limits and says what a learner needs first."""

from __future__ import annotations

import base64
import dataclasses
import re

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import reply as limits
from bot.confirm import Confirmation, Verdict
from bot.fence import units
from bot.locale import say
from bot.outcome import error_text
from bot.proposal import Proposed
from bot.render import explained, others, whole
from bot.render_confirm import confirmed
from bot.render_run import example_ran, ran
from bot.repair import Candidate, Grade
from bot.reply import Reply
from bot.tutor import Answer, ExampleRun, RunReport
from knowledge import entry
from knowledge.entry import Entry, Kind, Proof, load_entries
from knowledge.explain import Explanation, See, explain
from knowledge.language import Language
from knowledge.post import parse
from knowledge.search import Evidence, Match, Ranking
from sandbox.protocol import (
    Device,
    ExceptionReport,
    Hint,
    OutputFile,
    Result,
    Status,
    Tier,
    Wall,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
EXPLANATION = Explanation(
    slug="linear-shape",
    language=Language.EN,
    title="The layer expects another number of features",
    summary="Your layer expects **128** features and gets **784**.",
    cause="`nn.Linear(128, 10)` multiplies by a 128x10 matrix.",
    fix="Write `nn.Linear(784, 10)`.",
    fails="import torch\ntorch.nn.Linear(128, 10)(torch.ones(4, 784))",
    works="import torch\ntorch.nn.Linear(784, 10)(torch.ones(4, 784))",
    see=(See("matmul-shape", "Matrices do not fit", "There no layer is involved."),),
    docs=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",),
)
ENTRY = Entry(
    slug=EXPLANATION.slug,
    category="shape",
    kind=Kind.ERROR,
    device=entry.Device.ANY,
    signatures=(),
    texts={},
    see=(),
    docs=(),
    fails=EXPLANATION.fails,
    works=EXPLANATION.works,
    proof=Proof(provable=True, reason="", recorded=""),
)
MESSAGE = "mat1 and mat2 shapes cannot be multiplied (4x784 and 128x10)"
TRACEBACK = f"""Traceback (most recent call last):
  File "<snippet>", line 2, in <module>
    torch.nn.Linear(128, 10)(torch.ones(4, 784))
RuntimeError: {MESSAGE}"""
FAILED = Result(
    status=Status.ERROR,
    exit_code=1,
    exception=ExceptionReport(type="RuntimeError", message=MESSAGE, traceback=TRACEBACK, line=2),
    wall_s=0.0312,
    tier=Tier.STRONG,
)
WORKED = Result(status=Status.OK, exit_code=0, stdout="tensor([1.])\n", wall_s=0.2)

TEXTS = st.lists(
    st.sampled_from(
        ["```", "@everyone ", "\x1b[1m", "\u202e", "日本語", "😀", "x" * 500, "\n", "`"]
    )
    | st.text(max_size=30),
    max_size=30,
).map("".join)
LONG = TEXTS.map(lambda text: text * 40) | TEXTS


def results() -> st.SearchStrategy[Result]:
    """Runs that a hostile snippet could report."""
    exceptions = st.builds(
        ExceptionReport,
        type=st.text(max_size=30),
        message=LONG,
        traceback=LONG,
        line=st.none() | st.integers(1, 10**6),
    )
    files = st.builds(
        OutputFile,
        name=st.text(min_size=1, max_size=300),
        size=st.integers(0, 10**9),
        content_base64=st.sampled_from(
            [base64.b64encode(PNG).decode(), base64.b64encode(b"MZ").decode(), "no base64!", ""]
        ),
    )
    return st.builds(
        Result,
        status=st.sampled_from(Status),
        exit_code=st.none() | st.integers(0, 255),
        signal=st.none() | st.integers(1, 64),
        stdout=LONG,
        stderr=LONG,
        truncated=st.booleans(),
        exception=st.none() | exceptions,
        wall_s=st.floats(0, 3600),
        peak_mib=st.floats(0, 10**6),
        tier=st.sampled_from(Tier),
        device=st.sampled_from(Device),
        files=st.lists(files, max_size=15).map(tuple),
        skipped_files=st.lists(st.text(max_size=300), max_size=15).map(tuple),
        detail=LONG,
    )


def explanations() -> st.SearchStrategy[Explanation]:
    """Explanations of any length."""
    words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60).map(
        lambda text: text * 60
    )
    return st.builds(
        Explanation,
        slug=st.just("some-entry"),
        language=st.sampled_from(Language),
        title=st.text(min_size=1, max_size=400).filter(str.strip),
        summary=words,
        cause=words,
        fix=words,
        fails=st.none() | words,
        works=st.none() | words,
        see=st.lists(st.builds(See, st.text(), words, words), max_size=8).map(tuple),
        docs=st.lists(st.just("https://docs.pytorch.org/docs/stable/" + "x" * 300), max_size=8).map(
            tuple
        ),
    )


def answer(
    explanation: Explanation | None, *candidates: Explanation, language: Language = Language.EN
) -> Answer:
    match = Match(ENTRY, 0.9, {}, Evidence.SIGNATURE)
    return Answer(
        parse("RuntimeError: x"), language, Ranking((match,), True), explanation, candidates
    )


def texts(embed: discord.Embed) -> list[str]:
    fields = [text or "" for field in embed.fields for text in (field.name, field.value)]
    return [embed.title or "", embed.description or "", embed.footer.text or "", *fields]


def assert_discord_takes(reply: Reply) -> None:
    """What Discord would refuse, and what it would silently show wrong."""
    assert reply.content or reply.embeds
    assert units(reply.content) <= limits.CONTENT
    assert sum(units(text) for embed in reply.embeds for text in texts(embed)) <= limits.EMBEDS
    for embed in reply.embeds:
        assert 0 < units(embed.title or "") <= limits.TITLE
        assert units(embed.description or "") <= limits.DESCRIPTION
        assert units(embed.footer.text or "") <= limits.FOOTER
        assert len(embed.fields) <= 25
        for field in embed.fields:
            assert 0 < units(field.name or "") <= limits.TITLE
            assert 0 < units(field.value or "") <= limits.FIELD
        for text in texts(embed):
            text.encode("utf-8")
    assert len(reply.attached) <= limits.FILES
    assert sum(len(file.data) for file in reply.attached) <= limits.BYTES
    names = [file.name for file in reply.attached]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)


def description(reply: Reply, embed: int = 0) -> str:
    return reply.embeds[embed].description or ""


@settings(max_examples=50)
@given(results(), st.sampled_from(Language), st.none() | explanations())
def test_every_run_fits_whatever_it_printed(
    result: Result, language: Language, explanation: Explanation | None
) -> None:
    said = answer(explanation, language=language) if explanation else None
    assert_discord_takes(ran(RunReport(result, language, said)))


@settings(max_examples=50)
@given(explanations())
def test_every_explanation_fits_however_long_it_is(explanation: Explanation) -> None:
    assert_discord_takes(explained(answer(explanation, explanation)))


@settings(max_examples=25)
@given(st.lists(explanations(), max_size=3), st.sampled_from(Language))
def test_every_list_of_candidates_fits(found: list[Explanation], language: Language) -> None:
    assert_discord_takes(explained(answer(None, *found, language=language)))
    assert_discord_takes(others(language, found))


@settings(max_examples=50)
@given(
    st.sampled_from(Verdict),
    st.sampled_from(Language),
    st.none() | results(),
    st.none() | results(),
    st.lists(st.text(max_size=200), max_size=40).map(tuple),
    st.none() | explanations(),
)
def test_every_verdict_fits(
    verdict: Verdict,
    language: Language,
    before: Result | None,
    after: Result | None,
    missing: tuple[str, ...],
    explanation: Explanation | None,
) -> None:
    proposed = confirmation(
        verdict,
        language=language,
        before=before,
        after=after,
        missing=missing,
        explanation=explanation,
    )
    assert_discord_takes(confirmed(proposed))


@settings(max_examples=25)
@given(explanations(), results(), results())
def test_every_example_fits(explanation: Explanation, before: Result, after: Result) -> None:
    assert_discord_takes(example_ran(ExampleRun(explanation, before, after)))


def test_every_shipped_entry_is_shown_whole_in_every_language() -> None:
    library = {known.slug: known for known in load_entries()}
    cut = []
    for known in library.values():
        for language in Language:
            reply = whole(explain(known, {}, language, library))
            assert_discord_takes(reply)
            if reply.attached:
                cut.append((known.slug, language))

    assert cut == []


def test_the_learners_own_numbers_come_first() -> None:
    reply = explained(answer(EXPLANATION, EXPLANATION))

    assert description(reply).startswith(EXPLANATION.summary)
    assert EXPLANATION.fix in description(reply)
    assert EXPLANATION.cause not in description(reply)
    assert reply.embeds[0].fields == []
    assert reply.embeds[0].footer.text == (
        f"{say(Language.EN, 'evidence.signature')} · linear-shape"
    )


def test_a_sure_change_is_shown_as_a_diff_that_nobody_has_run() -> None:
    edit = Candidate("flatten-input", "y = x.flatten(1)", Grade.SURE, {"what": "x"})
    sure = dataclasses.replace(answer(EXPLANATION, EXPLANATION), proposed=Proposed("y = x", edit))
    text = description(explained(sure))

    assert text.startswith(EXPLANATION.summary)
    assert "```diff\n@@ -1 +1 @@\n-y = x\n+y = x.flatten(1)\n```" in text
    assert say(Language.EN, "button.repair") in text
    assert EXPLANATION.fix not in text


def test_the_whole_explanation_has_the_cause_and_the_example() -> None:
    reply = whole(EXPLANATION)

    assert description(reply).startswith(EXPLANATION.summary)
    assert EXPLANATION.cause in description(reply)
    assert EXPLANATION.fix in description(reply)
    assert f"```py\n{EXPLANATION.works}\n```" in description(reply)


def test_sister_entries_and_pages_to_read_are_named() -> None:
    fields = [field.value for field in whole(EXPLANATION).embeds[0].fields]

    assert fields == [
        "**Matrices do not fit** — There no layer is involved.",
        "[torch.nn.Linear](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html)",
    ]


def test_when_room_is_short_the_example_goes_and_the_whole_text_is_attached() -> None:
    long = dataclasses.replace(EXPLANATION, works="x = 1\n" * 700)
    reply = whole(long)

    assert long.fix in description(reply)
    assert "```py" not in description(reply)
    assert [file.name for file in reply.attached] == ["explanation.md"]
    assert b"x = 1" in reply.attached[0].data
    assert "explanation.md" in reply.content


def test_an_unsure_answer_says_so_names_the_nearest_and_what_to_post() -> None:
    reply = explained(answer(None, EXPLANATION, language=Language.JA))

    assert reply.embeds[0].title == say(Language.JA, "unsure.title")
    assert f"1. **{EXPLANATION.title}**" in description(reply)
    assert say(Language.JA, "unsure.hint") in description(reply)


def test_an_unsure_answer_without_any_candidate_says_what_to_post() -> None:
    reply = explained(answer(None))

    assert say(Language.EN, "unsure.nothing") in description(reply)
    assert say(Language.EN, "unsure.hint") in description(reply)


def test_a_failed_run_shows_its_error_with_the_line_and_its_explanation() -> None:
    printed = FAILED.model_copy(update={"stdout": "before the error\n"})
    reply = ran(RunReport(printed, Language.EN, answer(EXPLANATION, EXPLANATION)))

    run, about = reply.embeds
    assert run.title == "Failed with an error"
    assert "**Error in line 2**" in description(reply)
    assert f"RuntimeError: {MESSAGE}\n```" in description(reply)
    assert "before the error" in description(reply)
    assert "0.03 s" in (run.footer.text or "")
    assert about.title == EXPLANATION.title


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("status", Status)
def test_every_status_is_said_in_words(status: Status, language: Language) -> None:
    result = Result(status=status, exit_code=3, signal=9)
    reply = ran(RunReport(result, language, None))

    expected = say(language, f"run.title.{status}", code=3, signal=9)
    assert reply.embeds[0].title == expected
    assert "None" not in expected
    assert description(reply).strip()


def test_a_run_that_printed_nothing_says_so() -> None:
    reply = ran(RunReport(Result(status=Status.OK), Language.ZH, None))

    assert description(reply) == say(Language.ZH, "run.no_output")


@pytest.mark.parametrize("wall", Wall)
def test_an_error_that_a_wall_causes_names_the_wall(wall: Wall) -> None:
    raised = ExceptionReport(type="OSError", message="no", traceback="OSError: no")
    hint = Hint(wall=wall, most=None if wall is Wall.POLICY else 64)
    result = Result(status=Status.ERROR, exception=raised, hint=hint)
    text = description(ran(RunReport(result, Language.JA, None)))

    assert say(Language.JA, f"run.wall.{wall}", most=64) in text


def test_output_that_is_too_long_is_attached_whole() -> None:
    lines = "\n".join(f"step {number}" for number in range(5_000))
    reply = ran(RunReport(WORKED.model_copy(update={"stdout": lines}), Language.EN, None))

    assert "step 0\n" in description(reply) and "step 4999" in description(reply)
    [file] = reply.attached
    assert file.name == "output.txt"
    assert lines.encode() in file.data
    assert "output.txt" in reply.content


def test_a_log_does_not_flood_the_channel() -> None:
    short_lines = "\n".join(map(str, range(200)))
    reply = ran(RunReport(WORKED.model_copy(update={"stdout": short_lines}), Language.EN, None))

    assert description(reply).count("\n") < 30
    assert [file.name for file in reply.attached] == ["output.txt"]


def test_what_is_said_in_the_persons_language_is_not_repeated_in_english() -> None:
    stopped = Result(status=Status.TIMEOUT, detail="The run was stopped after 15 s.")
    crashed = Result(status=Status.SIGNAL, signal=11, detail="Ended by SIGSEGV.")

    assert description(ran(RunReport(stopped, Language.JA, None))) == say(
        Language.JA, "run.help.timeout"
    )
    assert "`Ended by SIGSEGV.`" in description(ran(RunReport(crashed, Language.JA, None)))


def test_the_last_line_of_a_long_traceback_stays_visible() -> None:
    assert FAILED.exception is not None
    frames = '  File "<snippet>", line 9, in f\n    f()\n' * 900
    exception = FAILED.exception.model_copy(
        update={"traceback": f"Traceback (most recent call last):\n{frames}RuntimeError: {MESSAGE}"}
    )
    reply = ran(RunReport(FAILED.model_copy(update={"exception": exception}), Language.EN, None))

    assert f"RuntimeError: {MESSAGE}\n```" in description(reply)
    assert [file.name for file in reply.attached] == ["output.txt"]


def test_pictures_are_attached_and_all_other_files_are_named() -> None:
    def left(name: str, data: bytes) -> OutputFile:
        return OutputFile(name=name, size=len(data), content_base64=base64.b64encode(data).decode())

    result = WORKED.model_copy(
        update={
            "files": (
                left("loss curve.png", PNG),
                left("fake.png", b"MZ not a picture"),
                left("weights.pt", b"PK"),
            ),
            "skipped_files": ("huge.bin: too large",),
        }
    )
    reply = ran(RunReport(result, Language.EN, None))

    assert [(file.name, file.data) for file in reply.attached] == [("1-loss_curve.png", PNG)]
    assert reply.embeds[0].image.url == "attachment://1-loss_curve.png"
    assert "`fake.png`, `weights.pt`" in description(reply)
    assert "`huge.bin: too large`" in description(reply)


def test_a_picture_cannot_choose_a_path_or_clash_with_another() -> None:
    data = base64.b64encode(PNG).decode()
    files = tuple(
        OutputFile(name=name, size=1, content_base64=data)
        for name in ("../../a.png", "a.png", "..png", "图.png")
    )
    reply = ran(RunReport(WORKED.model_copy(update={"files": files}), Language.EN, None))

    assert [file.name for file in reply.attached] == [
        "1-a.png",
        "2-a.png",
        "3-picture.png",
        "4-picture.png",
    ]
    assert reply.embeds[0].image.url is None


def test_an_example_shows_failed_before_and_runs_after_with_code_and_seconds() -> None:
    reply = example_ran(ExampleRun(EXPLANATION, FAILED, WORKED))

    before, after = reply.embeds
    assert EXPLANATION.title in reply.content
    assert before.title == "Before: fails (0.03 s)"
    assert after.title == "After: runs without error (0.20 s)"
    assert f"```py\n{EXPLANATION.fails}\n```" in description(reply, 0)
    assert MESSAGE in description(reply, 0)
    assert f"```py\n{EXPLANATION.works}\n```" in description(reply, 1)
    assert "tensor([1.])" in description(reply, 1)


def test_an_example_is_told_by_what_happened_not_by_what_was_expected() -> None:
    reply = example_ran(ExampleRun(EXPLANATION, WORKED, FAILED))

    assert reply.embeds[0].title == "Before: runs without error (0.20 s)"
    assert reply.embeds[1].title == "After: fails (0.03 s)"


def confirmation(verdict: Verdict, **changes: object) -> Confirmation:
    base = Confirmation(
        verdict,
        Language.EN,
        None,
        before=FAILED,
        after=WORKED,
        missing=(),
        explanation=None,
        before_code="x = 0",
        code="x = 1",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_a_fix_is_confirmed_with_before_and_after_and_never_called_correct() -> None:
    reply = confirmed(confirmation(Verdict.FIXED))

    assert reply.embeds[0].title == "The error is gone"
    assert "**Before: fails (0.03 s)**" in description(reply)
    assert MESSAGE in description(reply)
    assert "**After: runs without error (0.20 s)**" in description(reply)
    assert "correct" not in description(reply)


def test_incomplete_code_is_told_what_it_lacks() -> None:
    reply = confirmed(
        confirmation(Verdict.INCOMPLETE, missing=("model", "train`.csv"), before=None)
    )

    assert "`model`, `trainˋ.csv`" in description(reply)
    assert say(Language.EN, "change.no_before") in description(reply)


def test_another_error_is_explained_at_once() -> None:
    reply = confirmed(confirmation(Verdict.OTHER_ERROR, after=FAILED, explanation=EXPLANATION))

    assert [embed.title for embed in reply.embeds] == [
        say(Language.EN, "verdict.other_error.title"),
        EXPLANATION.title,
    ]


@pytest.mark.parametrize(
    ("exception", "text"),
    [
        (None, ""),
        (FAILED.exception, TRACEBACK),
        (ExceptionReport(type="KeyError", message="'a'", traceback=""), "KeyError: 'a'"),
        (ExceptionReport(type="AssertionError", message="", traceback=""), "AssertionError"),
    ],
)
def test_an_error_is_shown_as_a_terminal_would(
    exception: ExceptionReport | None, text: str
) -> None:
    assert error_text(Result(status=Status.ERROR, exception=exception)) == text
