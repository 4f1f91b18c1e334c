"""The static site, really built, over a few of the shipped entries."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from knowledge.entry import Entry, load_entries
from knowledge.language import Language
from knowledge.site import SiteError, build_site

CHOSEN = {
    "matmul-shape-mismatch",
    "conv-channel-mismatch",
    "silent-seed",
    "broadcast-size-mismatch",
}


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [entry for entry in load_entries() if entry.slug in CHOSEN]


@pytest.fixture(scope="module")
def site(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "index"
    assert build_site(entries, folder) == 3 * (len(entries) + 1)
    return folder


class Addresses(HTMLParser):
    """What a page loads and what it links to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"script", "img", "link"}:
            self.loaded.append(values.get("src") or values.get("href") or "")
        elif tag == "a":
            self.linked.append(values.get("href") or "")


@pytest.mark.parametrize("language", Language)
def test_each_entry_has_a_page_in_each_language(
    site: Path, entries: list[Entry], language: Language
) -> None:
    for entry in entries:
        page = (site / language / f"{entry.slug}.html").read_text(encoding="utf-8")
        assert f'lang="{language}"' in page
        assert entry.texts[language].title in page
        assert entry.texts[language].symptoms[0].split()[0] in page


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not [each for each in Addresses(page).loaded if "//" in each], page


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    for page in site.glob("*/*.html"):
        if page.name == "404.html":
            continue
        for link in Addresses(page).linked:
            if "//" not in link and not link.startswith("#"):
                assert (page.parent / link.partition("#")[0]).exists(), (page, link)


def test_the_failing_and_the_working_code_stand_on_the_page(
    site: Path, entries: list[Entry]
) -> None:
    entry = next(each for each in entries if each.slug == "conv-channel-mismatch")
    text = (site / "en" / f"{entry.slug}.html").read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "", text)

    for code in (entry.fails, entry.works):
        line = next(each for each in (code or "").splitlines() if "nn.Conv2d" in each)
        assert line.strip() in shown


@pytest.mark.parametrize(
    ("language", "word"), [("en", "multiplied"), ("ja", "行列"), ("zh", "矩阵")]
)
def test_the_search_knows_the_words_of_its_language(site: Path, language: str, word: str) -> None:
    index = json.loads((site / language / "search" / "search_index.json").read_text("utf-8"))

    found = {doc["location"].partition("#")[0] for doc in index["docs"] if word in doc["text"]}
    assert "matmul-shape-mismatch.html" in found
    assert language in index["config"]["lang"]


def test_a_build_replaces_an_earlier_one_and_nothing_else(
    site: Path, entries: list[Entry], tmp_path: Path
) -> None:
    build_site(entries[:1], tmp_path / "index")
    build_site(entries[1:2], tmp_path / "index")
    assert not (tmp_path / "index" / "en" / f"{entries[0].slug}.html").exists()

    (tmp_path / "homework").mkdir()
    (tmp_path / "homework" / "essay.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SiteError, match="empty or a new folder"):
        build_site(entries, tmp_path / "homework")
    assert (tmp_path / "homework" / "essay.txt").read_text(encoding="utf-8") == "mine"
