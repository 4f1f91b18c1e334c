"""The entries as a static site: three languages, one page each, searchable.

Built by MkDocs with the Material theme (docs/decisions/0010-site.md). Nothing on the pages is
loaded from elsewhere.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from knowledge.entry import Entry
from knowledge.explain import explain
from knowledge.language import Language
from knowledge.signature import Signature
from knowledge.site_words import NAMES, WORDS, Words


class SiteError(Exception):
    """The site cannot be built; the message says why and what to do."""


def build_site(entries: Sequence[Entry], folder: Path) -> int:
    """Write the site of `entries` into `folder`, replacing what an earlier build left there.

    Returns the number of pages. Raises SiteError for a folder that holds something else, and
    where MkDocs is not installed.
    """
    try:
        from mkdocs.commands.build import build
        from mkdocs.config import load_config
    except ModuleNotFoundError:
        raise SiteError(
            "The site is built by MkDocs, which is not installed. "
            "Run: pip install 'traceback-tutor[site]'"
        ) from None
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise SiteError(
            f"{folder} holds files that no earlier build of this site left there. "
            "Choose an empty or a new folder."
        )
    logging.getLogger("mkdocs").setLevel(logging.ERROR)
    library = {entry.slug: entry for entry in entries}
    pages = 0
    with tempfile.TemporaryDirectory() as work:
        built = Path(work, "site")
        for language in Language:
            source = Path(work, f"docs-{language}")
            pages += _write(source, entries, library, language)
            settings = Path(work, f"mkdocs-{language}.yml")
            options = _config(language, source, built / str(language), entries)
            settings.write_text(yaml.safe_dump(options, allow_unicode=True), encoding="utf-8")
            build(load_config(str(settings)))
        (built / "index.html").write_text(_FRONT, encoding="utf-8")
        (built / _MARK).touch()
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(built, folder)
    return pages


_MARK: Final = ".traceback-tutor-site"
_FRONT: Final = """\
<!doctype html>
<meta charset="utf-8">
<title>PyTorch error index</title>
<script>
  const known = ["en", "ja", "zh"];
  const wanted = (navigator.languages || []).map((each) => each.slice(0, 2));
  location.replace((wanted.find((each) => known.includes(each)) || "en") + "/index.html");
</script>
<ul>
  <li><a href="en/index.html">English</a></li>
  <li><a href="ja/index.html" lang="ja">日本語</a></li>
  <li><a href="zh/index.html" lang="zh">简体中文</a></li>
</ul>
"""


def _config(
    language: Language, source: Path, target: Path, entries: Sequence[Entry]
) -> dict[str, Any]:
    words = WORDS[language]
    nav: list[dict[str, Any]] = [{words.title: "index.md"}]
    for category, group in groupby(_in_order(entries, words), key=lambda entry: entry.category):
        pages = [f"{entry.slug}.md" for entry in group]
        nav.append({words.categories.get(category, category): pages})
    languages = [
        {"name": name, "link": f"../{other}/index.html", "lang": str(other)}
        for other, name in NAMES.items()
    ]
    return {
        "site_name": words.title,
        "docs_dir": str(source),
        "site_dir": str(target),
        "use_directory_urls": False,
        "nav": nav,
        "theme": {
            "name": "material",
            "language": str(language),
            "font": False,
            "features": ["navigation.prune", "content.code.copy", "search.highlight"],
            "palette": [
                {
                    "media": "(prefers-color-scheme: light)",
                    "scheme": "default",
                    "toggle": {"icon": "material/weather-night", "name": "☾"},
                },
                {
                    "media": "(prefers-color-scheme: dark)",
                    "scheme": "slate",
                    "toggle": {"icon": "material/weather-sunny", "name": "☀"},
                },
            ],
        },
        "plugins": [{"material/search": {"lang": sorted({"en", str(language)})}}],
        "markdown_extensions": ["pymdownx.highlight", "pymdownx.superfences", "tables", "toc"],
        "extra": {"alternate": languages, "generator": False},
    }


def _in_order(entries: Sequence[Entry], words: Words) -> list[Entry]:
    order = {category: place for place, category in enumerate(words.categories)}
    return sorted(
        entries,
        key=lambda entry: (order.get(entry.category, len(order)), entry.category, entry.slug),
    )


def _write(
    source: Path, entries: Sequence[Entry], library: Mapping[str, Entry], language: Language
) -> int:
    """The Markdown of one language; returns the number of pages."""
    source.mkdir()
    words = WORDS[language]
    lines = [f"# {words.title}", "", words.lead.format(count=len(entries)), ""]
    for category, group in groupby(_in_order(entries, words), key=lambda entry: entry.category):
        lines += [f"## {words.categories.get(category, category)}", ""]
        for entry in group:
            page = _page(entry, library, language)
            (source / f"{entry.slug}.md").write_text(page, encoding="utf-8")
            title = explain(entry, {}, language, library).title
            lines.append(f"- [{title}]({entry.slug}.md)")
        lines.append("")
    (source / "index.md").write_text("\n".join(lines), encoding="utf-8")
    return len(entries) + 1


def _page(entry: Entry, library: Mapping[str, Entry], language: Language) -> str:
    words = WORDS[language]
    explanation = explain(entry, {}, language, library)
    text = explanation.markdown()
    for see in explanation.see:
        text = text.replace(f"(`{see.slug}`)", f"([{see.slug}]({see.slug}.md))")
    first, _, rest = text.partition("\n")
    parts = [first, f"**{words.kinds[entry.kind]}** · `{entry.slug}`", rest.strip()]
    if entry.proof.recorded:
        parts += [f"*{words.recorded}*"]
    if entry.signatures:
        parts += [f"## {words.said}", _wordings(entry.signatures, words)]
    spoken = entry.texts.get(language, entry.texts[Language.EN])
    parts += [f"## {words.symptoms}", "\n".join(f"- {symptom}" for symptom in spoken.symptoms)]
    return "\n\n".join(parts) + "\n"


def _wordings(signatures: Sequence[Signature], words: Words) -> str:
    rows = [f"| {words.wording} | {words.version} |", "|---|---|"]
    for signature in signatures:
        wording = signature.readable.replace("|", "\\|")
        versions = f"{signature.since or ''} – {signature.until or ''}".strip(" –")
        if signature.since and not signature.until:
            versions = f"≥ {signature.since}"
        elif signature.until and not signature.since:
            versions = f"≤ {signature.until}"
        rows.append(f"| ``{wording}`` | {versions} |")
    return "\n".join(rows)
