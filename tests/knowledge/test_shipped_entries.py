"""The entries that are shipped."""

from __future__ import annotations

import time

from knowledge.entry import load_entries
from knowledge.explain import explain
from knowledge.language import Language
from knowledge.validate import validate


def test_the_shipped_entries_have_no_fault() -> None:
    faults = validate()

    assert not faults, "\n" + "\n".join(map(str, faults))


def test_every_shipped_entry_explains_itself_in_every_language() -> None:
    library = {entry.slug: entry for entry in load_entries()}

    for entry in library.values():
        for language in Language:
            explanation = explain(entry, {}, language, library)
            assert explanation.language is language
            assert explanation.summary in explanation.markdown()


def test_the_shipped_entries_load_in_well_under_two_seconds() -> None:
    start = time.process_time()
    load_entries()

    assert time.process_time() - start < 1.5
