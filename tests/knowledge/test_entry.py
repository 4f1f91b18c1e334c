"""Promises of entry files: what is loaded, and that every fault is named with its line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from knowledge.entry import Device, Entry, EntryError, Kind, english_hash, load_entries
from knowledge.language import Language
from knowledge.validate import validate

SOURCE = """\
---
title: Sizes do not fit
kind: error
device: any
signatures:
  - template: "sizes {rows:d}x{cols:d} do not fit"
    since: "1.8"
  - "old: sizes [{rows:d}] differ"
symptoms:
  - the sizes differ
  - my layer complains
  - why does it not fit
  - linear layer error
  - the shape is wrong
  - it worked yesterday
see:
  - entry: {sister}
    difference: There the channels differ.
docs:
  - https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
---

{% if rows %}Your data has {{ rows }} rows.{% else %}The rows do not fit.{% endif %}

## Cause

The layer expects another size.

## Fix

```python
layer = Linear(3, 4)
```

## Example

```python fails
raise ValueError("sizes 3x4 do not fit")
```

```python works
print("fine")
```
"""

ENGLISH = SOURCE.replace("{sister}", "two")

TRANSLATION = """\
---
title: {title}
english: {hash}
symptoms: [{symptoms}]
see:
  {sister}: {difference}
---

{{% if rows %}}{{{{ rows }}}} {summary}{{% else %}}{summary}{{% endif %}}

## {cause}

{summary}

## {fix}

{summary}
"""

JAPANESE = {"title": "サイズ", "summary": "合いません。", "cause": "原因", "fix": "直し方"}
CHINESE = {"title": "尺寸", "summary": "不匹配。", "cause": "原因", "fix": "解决方法"}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with two faultless entries, `one` and `two`, in three languages."""
    for slug, sister in (("one", "two"), ("two", "one")):
        english = SOURCE.replace("{sister}", sister)
        write(tmp_path, f"{slug}.md", english)
        for language, words in (("ja", JAPANESE), ("zh", CHINESE)):
            values = {
                "hash": english_hash(english),
                "sister": sister,
                "difference": "違います",
                "symptoms": ", ".join(f"{words['title']} {n}" for n in range(6)),
            }
            write(tmp_path, f"{slug}.{language}.md", TRANSLATION.format(**words, **values))
    return tmp_path


def write(library: Path, name: str, text: str, category: str = "shape") -> Path:
    path = library / category / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def change(library: Path, name: str, old: str, new: str) -> Path:
    path = library / "shape" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    return write(library, name, text.replace(old, new))


def restamp(library: Path) -> None:
    """Write the right hashes into all translations."""
    for path in library.rglob("*.*.md"):
        slug = path.name.split(".")[0]
        english = (path.parent / f"{slug}.md").read_text(encoding="utf-8")
        lines = path.read_text(encoding="utf-8").split("\n")
        lines = [f"english: {english_hash(english)}" if "english:" in ln else ln for ln in lines]
        path.write_text("\n".join(lines), encoding="utf-8")


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").split("\n")
    return next(n for n, line in enumerate(lines, 1) if text in line)


def faults_of(library: Path) -> list[str]:
    """The faults that loading finds, with paths relative to the library."""
    with pytest.raises(EntryError) as caught:
        load_entries(library)
    return [str(fault).replace(f"{library}/shape/", "") for fault in caught.value.faults]


def flaws_of(library: Path) -> list[str]:
    """The faults that only validation finds."""
    load_entries(library)
    return [str(fault).replace(f"{library}/shape/", "") for fault in validate(library)]


def test_a_faultless_library_is_loaded_in_full(library: Path) -> None:
    one, two = load_entries(library)

    assert validate(library) == ()
    assert (one.slug, one.category, one.kind, one.device) == (
        "one",
        "shape",
        Kind.ERROR,
        Device.ANY,
    )
    assert [s.template for s in one.signatures] == [
        "sizes {rows:d}x{cols:d} do not fit",
        "old: sizes [{rows:d}] differ",
    ]
    assert one.signatures[0].since == "1.8"
    assert set(one.texts) == set(Language)
    assert one.texts[Language.EN].cause == "The layer expects another size."
    assert one.texts[Language.JA].title == "サイズ"
    assert one.texts[Language.ZH].symptoms[0] == "尺寸 0"
    assert one.fails == 'raise ValueError("sizes 3x4 do not fit")\n'
    assert one.works == 'print("fine")\n'
    assert one.proof.provable
    [sister] = one.see
    assert sister.slug == two.slug
    assert sister.difference[Language.EN] == "There the channels differ."
    assert sister.difference[Language.ZH] == "違います"


def test_all_faults_of_all_files_come_in_one_report(library: Path) -> None:
    change(library, "one.md", "kind: error", "kind: mistake\ncolour: red")
    change(library, "one.md", "## Cause", "## Reason")
    change(library, "two.ja.md", "title:", "titel:")

    report = "\n".join(faults_of(library))

    assert "one.md:3: kind cannot be 'mistake'; it is one of error, warning, silent, tip" in report
    assert "one.md:4: unknown key colour" in report
    assert "unknown heading 'Reason'; the headings are: ## Cause, ## Fix, ## Example" in report
    assert "section ## Cause is missing" in report
    assert "two.ja.md:1: title is missing" in report or "two.ja.md:2: title is missing" in report
    assert "two.ja.md:2: unknown key titel" in report


def test_the_error_as_text_lists_every_fault(library: Path) -> None:
    change(library, "one.md", "kind: error", "kind: x")
    change(library, "two.md", "device: any", "device: x")

    with pytest.raises(EntryError) as caught:
        load_entries(library)

    assert len(str(caught.value).split("\n")) == 2


@pytest.mark.parametrize(
    ("name", "old", "new", "at", "complaint"),
    [
        ("one.md", "- https://docs", '- "https://docs', "https", "broken YAML"),
        ("one.md", "kind: error", "kind: a: b", "kind", "broken YAML"),
        ("one.md", "device: any\n", "device:\n", "device", "device is empty"),
        ("one.md", "device: any\n", "device: any\ndevice: cpu\n", "device: cpu", "here twice"),
        ("one.md", "title: Sizes do not fit\n", "", "kind", "title is missing"),
        ("one.md", "{rows:d}x{cols:d}", "{rows:q}x", "template", "unknown type"),
        ("one.md", "    since:", "    sinse:", "template", "unknown key sinse"),
        ("one.md", "old: sizes [{rows:d}]", "old: {", "old:", "lone brace"),
        ("one.md", "  - the sizes differ\n", "  - {a: b}\n", "{a: b}", "must be a text"),
        ("one.md", "docs:\n  - https", "docs: https", "docs:", "docs must be a list"),
        ("one.md", "entry: two", "entry: tow", "entry", "see names tow, which is no entry"),
        ("one.md", "    difference", "    diference", "entry", "difference is missing"),
        ("one.md", "  - entry: two\n    difference: T", "  - T", "- T", "must be a mapping"),
        ("one.md", "## Fix\n", "", "## Example", "section ## Fix is missing"),
        ("one.md", "## Fix", "## Cause\nAgain.", "Again.", "Cause stands here twice"),
        ("one.md", "## Fix", "### Fix", "### Fix", "unknown heading '### Fix'"),
        ("one.md", "python works", "python wroks", "wroks", "has a block 'python wroks'"),
        ("one.md", "python works", "python fails", "fine", "has a block 'python fails'"),
        ("one.md", "docs:", "proof: none\ndocs:", "proof", "proof must be a mapping"),
        ("one.md", "docs:", "proof:\n  recorded: x\ndocs:", "recorded", "reason is missing"),
        ("one.ja.md", "## 直し方", "## 解决方法", "解决方法", "unknown heading"),
        ("one.ja.md", "  two:", "  - two:", "two:", "see must be a mapping"),
        ("one.zh.md", "see:", "kind: error\nsee:", "kind", "unknown key kind"),
        ("one.zh.md", "\n---\n", "\n", "---", "no front matter"),
    ],
)
def test_a_fault_that_makes_a_file_unusable_is_named_with_its_line(
    library: Path, name: str, old: str, new: str, at: str, complaint: str
) -> None:
    path = change(library, name, old, new)

    faults = faults_of(library)

    matching = [fault for fault in faults if complaint in fault]
    assert matching, faults
    line = int(matching[0].split(":")[1])
    assert abs(line - line_of(path, at)) <= 1, matching[0]


def test_a_file_that_is_not_utf8_is_named_with_the_line(library: Path) -> None:
    path = library / "shape" / "one.ja.md"
    path.write_bytes(b"---\ntitle: a\n" + "サイズ".encode("shift_jis") + b"\n---\n")

    assert faults_of(library) == ["one.ja.md:3: is not valid UTF-8; save the file in UTF-8"]


def test_control_characters_in_front_matter_are_a_fault_and_no_crash(library: Path) -> None:
    change(library, "one.md", "title: Sizes", "title: S\x07izes")

    assert any("one.md" in fault and "broken YAML" in fault for fault in faults_of(library))


@pytest.mark.parametrize("name", ["One_.md", "one.fr.md", "one.txt", "one.ja.md.bak", "-one.md"])
def test_a_file_that_fits_no_pattern_is_a_fault(library: Path, name: str) -> None:
    write(library, name, "")

    assert faults_of(library) == [
        f"{name}:1: no entry is named so; name it <slug>.md, .ja.md or .zh.md"
    ]


def test_a_file_outside_a_category_is_a_fault(library: Path) -> None:
    (library / "three.md").write_text(ENGLISH, encoding="utf-8")

    assert any("three.md:1: lies in no category" in fault for fault in faults_of(library))


def test_a_slug_in_two_categories_is_a_fault(library: Path) -> None:
    write(library, "one.md", ENGLISH, category="data")

    [fault] = faults_of(library)

    assert fault == f"one.md:1: {library}/data/one.md has this slug too; rename one of them"


def test_a_translation_without_its_english_file_is_a_fault(library: Path) -> None:
    text = (library / "shape" / "one.ja.md").read_text(encoding="utf-8")
    write(library, "three.ja.md", text)

    [fault] = faults_of(library)

    assert fault.startswith("three.ja.md:1: translates nothing; put three.md beside it")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EntryError, match="nowhere:1: is no folder"):
        load_entries(tmp_path / "nowhere")


def test_a_broken_file_is_not_reported_again_as_missing_elsewhere(library: Path) -> None:
    change(library, "two.md", "kind: error", "kind: x")

    assert len(faults_of(library)) == 1


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(library: Path) -> None:
    path = library / "shape" / "one.md"
    before = load_entries(library)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert load_entries(library) == before
    assert validate(library) == ()


def test_hidden_files_are_passed_over(library: Path) -> None:
    write(library, ".one.md.swp", "x")

    assert len(load_entries(library)) == 2


# What only validation finds


def test_a_missing_translation_is_named(library: Path) -> None:
    (library / "shape" / "one.zh.md").unlink()

    assert flaws_of(library) == ["one.zh.md:1: the translation of one.md is missing; write it"]


def test_a_stale_translation_is_named_with_both_hashes(library: Path) -> None:
    before = english_hash((library / "shape" / "one.md").read_text(encoding="utf-8"))
    path = change(library, "one.md", "expects another size", "wants another size")
    after = english_hash(path.read_text(encoding="utf-8"))

    flaws = flaws_of(library)

    assert before != after
    assert [flaw.split(":")[0] for flaw in flaws] == ["one.ja.md", "one.zh.md"]
    assert all(before in flaw and f"english: {after}" in flaw for flaw in flaws)


@pytest.mark.parametrize(
    "words",
    ["Sizes do not fit", "the sizes differ", "channels differ", "data has", "expects", "layer ="],
)
def test_the_hash_covers_everything_that_is_translated(words: str) -> None:
    assert words in ENGLISH
    assert english_hash(ENGLISH) != english_hash(ENGLISH.replace(words, words + " now"))


@pytest.mark.parametrize("words", ['print("fine', 'do not fit")', "Linear.html", 'since: "1.'])
def test_the_hash_leaves_out_what_is_not_translated(words: str) -> None:
    assert words in ENGLISH
    assert english_hash(ENGLISH) == english_hash(ENGLISH.replace(words, words.replace(".", "-.")))


def test_the_hash_of_a_broken_file_is_an_error() -> None:
    with pytest.raises(EntryError, match="no front matter"):
        english_hash("just text")


@pytest.mark.parametrize(
    ("old", "new", "at", "complaint"),
    [
        ("{{ rows }} rows", "{{ rows } rows", "{{ rows", "broken template"),
        ("{% else %}The", "{% esle %}The", "esle", "broken template"),
        ("The layer expects", "{{ coulmns }}", "coulmns", "coulmns is no slot of a signature"),
        ("The layer expects", "It has {{ rows }}", "It has", "without slots: a slot is printed"),
        (
            "The layer",
            "{% if rows %}{{ cols }}{% endif %}",
            "{{ cols }}",
            "with the slots of 'old: sizes [{rows:d}] differ': a slot is printed",
        ),
        ("The layer", "{{ 1 // 0 }}", "1 // 0", "cannot be rendered without slots: integer"),
        ("The layer", "x" * 3500, "{% if", "and Discord shows 3500; shorten them"),
        ("title: Sizes", "title: S" + "i" * 100, "title", "shorten it to 100"),
        ("  - it worked yesterday\n", "", "symptoms", "5 different symptoms are too few"),
        ("kind: error", "kind: silent", "symptoms", "kind silent needs 12"),
        ("layer = Linear(3, 4)", "layer = Linear(3, 4", "Linear(3", "is no Python"),
        ('print("fine")', 'x = 1\nprint("fine', 'print("fine', "the works block is no Python"),
        ("raise ValueError", "rase ValueError", "rase", "the fails block is no Python"),
        ("```python works\n", "```python works\n\x00", "works", "the works block is no Python"),
        ("- https://docs", "- http://docs", "docs:", "is no link"),
    ],
)
def test_a_flaw_of_an_english_file_is_named_with_its_line(
    library: Path, old: str, new: str, at: str, complaint: str
) -> None:
    path = change(library, "one.md", old, new)
    restamp(library)

    flaws = [flaw for flaw in flaws_of(library) if flaw.startswith("one.md:")]

    assert len(flaws) == 1, flaws
    assert complaint in flaws[0]
    assert abs(int(flaws[0].split(":")[1]) - line_of(path, at)) <= 2, flaws[0]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("one.md", "it worked yesterday", "The sizes  differ!"),
        ("one.ja.md", "サイズ 5", "ｻｲｽﾞ　０。"),
        ("one.zh.md", "尺寸 5", "尺寸0？"),
    ],
)
def test_a_symptom_in_another_spelling_is_no_further_symptom(
    library: Path, name: str, old: str, new: str
) -> None:
    change(library, name, old, new)
    restamp(library)

    flaws = flaws_of(library)

    assert len(flaws) == 2, flaws
    assert "is there twice; say it in other words, or remove it" in "\n".join(flaws)
    assert "5 different symptoms are too few" in "\n".join(flaws)
    assert all(flaw.startswith(f"{name}:") for flaw in flaws)


def test_one_symptom_too_many_may_not_be_a_repetition(library: Path) -> None:
    change(library, "one.md", "  - it worked yesterday\n", "  - it worked\n  - It worked?\n")
    restamp(library)

    [flaw] = flaws_of(library)

    assert "the symptom 'It worked?' is there twice" in flaw


@pytest.mark.parametrize("block", ["fails", "works"])
def test_a_missing_example_needs_a_proof(library: Path, block: str) -> None:
    text = (library / "shape" / "one.md").read_text(encoding="utf-8")
    start = text.index(f"```python {block}")
    write(library, "one.md", text[:start] + text[text.index("```", start + 3) + 3 :])

    [flaw] = flaws_of(library)
    assert f"there is no ```python {block} block" in flaw

    recorded = "proof:\n  reason: Needs a GPU.\n  recorded: sizes 3x4 do not fit\ndocs:"
    change(library, "one.md", "docs:", recorded)
    assert flaws_of(library) == []


def test_a_proof_needs_a_message_that_the_signatures_match(library: Path) -> None:
    change(library, "one.md", "docs:", "proof:\n  reason: Needs a GPU.\ndocs:")
    change(library, "two.md", "docs:", "proof:\n  reason: No.\n  recorded: other text\ndocs:")

    one, two = flaws_of(library)

    assert "one.md" in one
    assert "no recorded message" in one
    assert "no signature matches the recorded message 'other text'" in two


def test_an_error_without_signatures_is_a_flaw(library: Path) -> None:
    text = (library / "shape" / "one.md").read_text(encoding="utf-8")
    start, end = text.index("signatures:"), text.index("symptoms:")
    write(library, "one.md", text[:start] + "signatures: []\n" + text[end:])

    assert any("but no signature" in flaw for flaw in flaws_of(library))


def test_an_example_of_a_syntax_error_need_not_be_python(library: Path) -> None:
    change(library, "one.md", '"old: sizes [{rows:d}] differ"', '"was never closed"')
    change(library, "one.md", "raise ValueError(", "print((")

    assert flaws_of(library) == []


def test_the_sisters_of_a_translation_are_those_of_the_english_file(library: Path) -> None:
    change(library, "one.ja.md", "  two: ", "  too: ")

    flaws = flaws_of(library)

    assert any("see does not say how two differs" in flaw for flaw in flaws)
    assert any("see names too, which the English file does not" in flaw for flaw in flaws)


def test_a_slot_that_the_english_entry_lacks_is_a_flaw_of_the_translation(library: Path) -> None:
    change(library, "one.ja.md", "{{ rows }}", "{{ features }}")

    [flaw] = flaws_of(library)

    assert flaw.startswith("one.ja.md:")
    assert "features is no slot of a signature; the slots are cols, rows" in flaw


def test_an_unquoted_hash_of_digits_is_read_as_text(library: Path) -> None:
    path = library / "shape" / "one.ja.md"
    before = english_hash((library / "shape" / "one.md").read_text(encoding="utf-8"))
    change(library, "one.ja.md", before, "000123456789")

    [flaw] = flaws_of(library)

    assert "the English text 000123456789," in flaw
    assert path.exists()


def test_entries_are_values_that_compare_equal(library: Path) -> None:
    first, second = load_entries(library), load_entries(library)

    assert first == second
    assert all(isinstance(entry, Entry) for entry in first)


def test_block_scalars_and_indented_code_keep_their_lines(library: Path) -> None:
    folded = textwrap.dedent("""\
        proof:
          reason: >
            Needs a GPU, and this
            machine has none.
          recorded: |
            RuntimeError: sizes 3x4 do not fit
            second line
        docs:""")
    change(library, "one.md", "docs:", folded)

    one, _ = load_entries(library)

    assert one.proof.reason == "Needs a GPU, and this machine has none."
    assert one.proof.recorded == "RuntimeError: sizes 3x4 do not fit\nsecond line"
