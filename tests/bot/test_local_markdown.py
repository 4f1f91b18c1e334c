"""Discord's Markdown on the page: right for what people type, harmless for everything else."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.local.page.markdown import Names, excerpt, render

_TAGS = {
    *("strong", "em", "u", "s", "code", "pre", "span", "a", "blockquote"),
    *("ul", "ol", "li", "h3", "h4", "h5", "div", "time"),
}
_ATTRIBUTES = {
    *("class", "href", "rel", "data-spoiler", "tabindex", "role"),
    *("data-unix", "data-style", "data-level", "value"),
}
_PIECES = [
    *("*", "**", "_", "__", "~~", "||", "`", "```", "```py\n", "\\", "\n", "> ", ">>> ", "- "),
    *(
        "1. ",
        "# ",
        "-# ",
        "<",
        ">",
        '"',
        "'",
        "&",
        "<@1>",
        "<#2>",
        "<@&3>",
        "```ansi\n",
        "\x1b[1;31m",
        "<t:1:R>",
        "[a](",
        ")",
        "]",
    ),
    *("https://a.b/", "javascript:", "<script>", "onerror=", " ", "word", "日本"),
]


class Reader(HTMLParser):
    """Collects the tags, attributes and text of what was rendered."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(render(text))
    reader.close()
    return reader


@given(st.lists(st.sampled_from(_PIECES), max_size=60).map("".join) | st.text(max_size=300))
@settings(max_examples=500, deadline=None)
def test_nothing_that_is_typed_becomes_a_tag_an_attribute_or_a_foreign_address(text: str) -> None:
    found = read(text)
    assert found.open == []
    assert found.tags <= _TAGS
    assert found.attributes <= _ATTRIBUTES
    assert all(address.startswith(("http://", "https://")) for address in found.addresses)


@given(st.text(alphabet="abc <>&\"'/=\n日本", max_size=200))
def test_plain_text_is_shown_as_it_was_typed(text: str) -> None:
    plain = "\n".join(line.lstrip(">") for line in text.split("\n"))
    assert read(plain).text == plain


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *soft*", "<strong>bold</strong> and <em>soft</em>"),
        ("__under__ ~~gone~~", "<u>under</u> <s>gone</s>"),
        ("snake_case_name", "snake_case_name"),
        ("`a<b`", "<code>a&lt;b</code>"),
        ("``a`b``", "<code>a`b</code>"),
        (r"\*not soft\*", "*not soft*"),
        ("> said\nreply", "<blockquote>said</blockquote>reply"),
        (">>> all\nof it", "<blockquote>all\nof it</blockquote>"),
        ("## Why", "<h4>Why</h4>"),
        ("-# small", '<div class="subtext">small</div>'),
        ("- one\n- two", '<ul><li data-level="0" class="bullet">one</li>'
         '<li data-level="0" class="bullet">two</li></ul>'),
        ("<@7> in <#8>", '<span class="mention">@You</span> in <span class="mention">#help</span>'),
        ("<@&9> @everyone", '<span class="mention">@mentor</span> '
         '<span class="mention">@everyone</span>'),
        ("> # Said\n> ```\n> x\n> ```\nreply", "<blockquote><h3>Said</h3>"
         '<pre class="fence"><code>x</code></pre></blockquote>reply'),
        ("a\n>>> b\n```\nc\n```", "a<blockquote>b"
         '<pre class="fence"><code>c</code></pre></blockquote>'),
        ("```ansi\n\x1b[1;31mno<\x1b[0m\n```", '<pre class="fence"><code>'
         '<span class="ansi-bold ansi-ink-1">no&lt;</span></code></pre>'),
        ("line\n  indented", "line\n  indented"),
        ("```\na\n  b\n```", '<pre class="fence"><code>a\n  b</code></pre>'),
    ],
)  # fmt: skip
def test_it_reads_like_on_discord(text: str, html: str) -> None:
    assert render(text, Names({7: "You"}, {8: "help"}, {9: "mentor"})) == html


def test_what_is_quoted_above_a_reply_is_one_line_without_its_fences() -> None:
    line = excerpt("look:\n```py\nx < **1**\n```", Names())
    assert line == "look: x &lt; <strong>1</strong>"


def test_a_known_language_is_coloured() -> None:
    html = render("```diff\n- old\n+ new\n```")
    assert '<span class="hl-gd">- old</span>' in html
    assert '<span class="hl-gi">+ new</span>' in html


def test_marks_that_are_nested_without_end_stay_readable() -> None:
    assert read("**_" * 500 + "x" + "_**" * 500).text.count("x") == 1
