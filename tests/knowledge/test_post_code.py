"""Code, prose and language of a post are told apart from its errors."""

from __future__ import annotations

import pytest
from pasted_posts import pasted

from knowledge.language import Language
from knowledge.post import parse


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    step()\nexcept RuntimeError as error:\n    print(error)",
        'raise ValueError("optimizer got an empty parameter list")',
        "A RuntimeError is raised when shapes differ.",
        "the error went away, thanks",
        "class ShapeError(Exception): pass",
    ],
)
def test_code_and_talk_about_errors_report_none(text: str) -> None:
    assert parse(text).errors == ()


def test_code_and_prose_are_told_apart() -> None:
    post = parse(
        "My loss never moves. What is wrong with this?\n"
        "\n"
        "import torch\n"
        "for x, y in loader:\n"
        "    opt.zero_grad()\n"
        "    loss = crit(net(x), y)\n"
        "\n"
        "Thank you!\n"
    )

    assert post.prose.split() == [
        "My",
        "loss",
        "never",
        "moves.",
        "What",
        "is",
        "wrong",
        "with",
        "this?",
        "Thank",
        "you!",
    ]
    assert post.code == (
        "import torch\nfor x, y in loader:\n    opt.zero_grad()\n    loss = crit(net(x), y)",
    )


def test_a_doctest_session_gives_its_inputs_as_code() -> None:
    post = parse("```\n>>> a = torch.ones(2)\n>>> for v in a:\n...     print(v)\ntensor(1.)\n```")

    assert post.code == ("a = torch.ones(2)\nfor v in a:\n    print(v)",)


@pytest.mark.parametrize(
    ("before", "language"),
    [
        ("Why does this happen?\n\n", Language.EN),
        ("学習を始めるとすぐ止まってしまいます。\n\n", Language.JA),
        ("一训练就报错，请问怎么解决？\n\n", Language.ZH),
    ],
)
def test_the_prose_decides_the_language(before: str, language: Language) -> None:
    assert parse(before + "```\n" + pasted("plain") + "```").language is language


def test_a_comment_in_code_does_not_outweigh_the_prose() -> None:
    post = parse("What does this line do in the tutorial?\n\nx = x.cuda()  # 把数据放到显卡上\n")

    assert post.language is Language.EN


def test_comments_decide_the_language_where_there_is_no_prose() -> None:
    assert parse("loss = crit(out, y)  # なぜか下がらない\n").language is Language.JA


def test_a_japanese_word_quoted_in_chinese_prose_does_not_decide() -> None:
    post = parse(
        "我照着一篇日文教程（テンソル入門）写了这个网络，训练的时候损失一直不下降，请问是哪里出了问题，应该怎么修改才对？"
    )

    assert post.language is Language.ZH
