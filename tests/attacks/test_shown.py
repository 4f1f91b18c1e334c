"""Attacks by what people are shown of a run: the reply that the bot makes of a result."""

from __future__ import annotations

import unicodedata

import pytest
from attacker import Target, attack

from sandbox.protocol import Result

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("R")]

pytest.importorskip("discord", reason="the bot, which shows results, is not installed here")
from bot.fence import units  # noqa: E402 - where it is installed
from bot.locale import say  # noqa: E402
from bot.render_run import WHOLE_OUTPUT, ran  # noqa: E402
from bot.reply import Reply  # noqa: E402
from bot.tutor import RunReport  # noqa: E402
from knowledge.language import Language  # noqa: E402

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _reply(result: Result) -> Reply:
    return ran(RunReport(result=result, answer=None, language=Language.EN))


def _text(reply: Reply) -> str:
    """Everything that people see of a reply, but for names of files."""
    return "\n".join(
        text
        for embed in reply.embeds
        for text in (embed.title, embed.description, *(f.value for f in embed.fields))
        if text
    )


def _blocks(text: str) -> list[str]:
    """The bodies of the code blocks of a text."""
    return text.split("```")[1::2]


async def test_escape_codes_and_invisible_characters_are_shown(any_tier: Target) -> None:
    code = r"""
        print("\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x9b1m")
        print("abc\u202edef \u2066x\u2069 zero\u200bwidth \u200d \ufeff \u00ad \U000e0041 \u3164|")
        print("line\u2028separated\rover")
        raise ValueError("\x1b[2J\u202e\u200f")
    """
    shown = _text(_reply(await attack(any_tier, code)))
    left = [c for c in shown if unicodedata.category(c) in _INVISIBLE and c not in "\n\t"]
    assert left == []
    assert "\\u202e" in shown
    assert "\\u200b" in shown
    assert "evil.example" not in shown


async def test_nobody_is_mentioned_and_no_invitation_is_a_link(any_tier: Target) -> None:
    code = """
        print("@everyone @here <@123456789012345678> <@&1> <#2> discord.gg/evil")
        print("https://discord.gg/evil [click](https://evil.example) **bold**")
        open("@everyone <@1>", "w").write("x")
        raise ValueError("@everyone <@123456789012345678>")
    """
    reply = _reply(await attack(any_tier, code))
    shown = _text(reply)
    assert "@everyone" not in shown
    assert "@here" not in shown
    assert "<@" not in shown
    assert "<#" not in shown
    # Inside a code block nothing is a link.
    outside = "".join(shown.split("```")[0::2])
    assert "discord.gg" not in outside
    assert "evil.example" not in outside


async def test_a_code_fence_is_not_closed(any_tier: Target) -> None:
    code = r"""
        print("```\n# a heading\n@everyone\n```py")
        print("``\u200b` ``\x1b[0m`")
        open("name`with`ticks", "w").write("x")
        raise ValueError("```\noutside")
    """
    shown = _text(_reply(await attack(any_tier, code)))
    assert shown.count("```") % 2 == 0
    assert "# a heading" not in "".join(shown.split("```")[0::2])
    assert "outside" not in "".join(shown.split("```")[0::2])


async def test_eleven_lines_are_shown_whole(any_tier: Target) -> None:
    reply = _reply(await attack(any_tier, "for n in range(11): print('line', n)"))
    (block,) = _blocks(_text(reply))
    assert block.strip().splitlines() == [f"line {n}" for n in range(11)]
    assert reply.attached == ()


async def test_of_a_hundred_lines_both_ends_are_shown_and_the_rest_attached(
    any_tier: Target,
) -> None:
    reply = _reply(await attack(any_tier, "for n in range(100): print('line', n)"))
    (block,) = _blocks(_text(reply))
    lines = block.strip().splitlines()
    assert (lines[0], lines[-1]) == ("line 0", "line 99")
    assert len(lines) <= 24
    (attached,) = reply.attached
    assert attached.name == WHOLE_OUTPUT
    assert b"line 50\n" in attached.data
    assert reply.content == say(Language.EN, "answer.clipped", name=WHOLE_OUTPUT)


@pytest.mark.parametrize("length", [1001, 2001, 100_000])
async def test_a_long_line_is_cut_at_the_right_place(any_tier: Target, length: int) -> None:
    reply = _reply(await attack(any_tier, f"print('a' + '\U0001f600' * ({length} - 2) + 'z')"))
    shown = _text(reply)
    assert all(units(embed.description or "") <= 4096 for embed in reply.embeds)
    (block,) = _blocks(shown)
    body = block.strip()
    assert body.startswith("a\U0001f600")
    assert body.endswith("\U0001f600z")
    if length < 2000:
        assert body == "a" + "\U0001f600" * (length - 2) + "z"
        assert reply.attached == ()
    elif reply.attached:
        assert ("a" + "\U0001f600" * (length - 2) + "z").encode() in reply.attached[0].data
    body.encode("utf-8")  # no character was cut in two


async def test_a_name_of_a_file_is_harmless_to_attach(any_tier: Target) -> None:
    code = r"""
        picture = bytes.fromhex("89504e470d0a1a0a") + bytes(20)
        for name in ("..png", "a b\n.png", "\u202egnp.png", "@everyone.png", "x" * 250 + ".png"):
            open(name, "wb").write(picture)
    """
    reply = _reply(await attack(any_tier, code))
    assert len(reply.attached) == 5
    for attached in reply.attached:
        assert attached.name.isascii()
        assert set(attached.name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
        )
        assert len(attached.name) < 80
