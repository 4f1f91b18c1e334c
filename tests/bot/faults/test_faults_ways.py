"""Every way to a person leads through `bot.delivery`, which knows what can go wrong on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

BOT = Path(__file__).parents[3] / "bot"
ANSWERS = {"defer", "send_message", "send_modal", "edit_message"}
"""What discord.py's `Interaction.response` offers."""


def answered_directly(tree: ast.AST) -> Iterator[int]:
    """Lines on which an interaction gets an answer that nobody watches over."""
    guarded: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "acknowledge":
            guarded |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        is_answer = (
            isinstance(node, ast.Attribute)
            and node.attr in ANSWERS
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "response"
        )
        if is_answer and id(node) not in guarded:
            yield node.lineno


def test_no_interaction_is_answered_past_the_delivery() -> None:
    found = {
        f"{path.relative_to(BOT)}:{line}"
        for path in BOT.rglob("*.py")
        if "local" not in path.relative_to(BOT).parts
        for line in answered_directly(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert found == set()
