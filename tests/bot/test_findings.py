"""Warnings of check mode in words."""

from __future__ import annotations

import pytest

from bot.findings import ENTRY_OF, finding_sentence, findings_embed
from knowledge.entry import load_entries
from knowledge.language import Language
from sandbox.protocol import Check, Finding


def test_every_warning_leads_to_an_entry_that_exists() -> None:
    slugs = {entry.slug for entry in load_entries()}

    assert set(ENTRY_OF) == set(Check)
    assert set(ENTRY_OF.values()) <= slugs


@pytest.mark.parametrize("language", Language)
def test_a_warning_names_its_line_and_its_facts(language: Language) -> None:
    finding = Finding(check=Check.LAYERS_NOT_REGISTERED, line=12, facts={"layers": 3})

    sentence = finding_sentence(finding, language)

    assert "12" in sentence
    assert "`layers=3`" in sentence


def test_facts_from_a_sandbox_cannot_break_out_of_their_place() -> None:
    finding = Finding(check=Check.ONE_CLASS_ONLY, facts={"name": "`@everyone`\n# x"})

    sentence = finding_sentence(finding, Language.EN)

    assert "@everyone" not in sentence
    assert "\n" not in sentence


def test_a_run_without_warnings_says_so_and_promises_nothing() -> None:
    embed = findings_embed((), Language.EN)

    assert "does not prove" in (embed.description or "")


def test_many_warnings_are_counted_and_fit() -> None:
    findings = [Finding(check=check, line=n) for n, check in enumerate(list(Check) * 2, 1)]

    embed = findings_embed(findings, Language.JA)

    assert len(embed.description or "") < 4096
    assert str(len(findings) - 10) in (embed.description or "").splitlines()[-1]
