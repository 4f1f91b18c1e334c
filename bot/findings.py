"""Warnings of check mode in words: which entry explains each, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import discord

from bot.fence import inline
from bot.locale import say
from bot.render import AMBER, GREEN
from knowledge.language import Language
from sandbox.protocol import Check, Finding

ENTRY_OF: Final[Mapping[Check, str]] = {
    Check.SOFTMAX_BEFORE_CROSS_ENTROPY: "silent-softmax-before-ce",
    Check.SIGMOID_BEFORE_BCE_WITH_LOGITS: "silent-sigmoid-before-bce-logits",
    Check.TARGET_BROADCAST: "silent-mse-broadcast",
    Check.GRADIENTS_NEVER_ZEROED: "silent-zero-grad-missing",
    Check.PARAMETERS_WITHOUT_GRADIENT: "silent-no-gradient",
    Check.PARAMETERS_NEVER_CHANGE: "silent-params-not-in-optimizer",
    Check.TRAIN_MODE_IN_EVALUATION: "silent-eval-mode",
    Check.LAYERS_NOT_REGISTERED: "silent-not-registered",
    Check.OPTIMIZER_OVER_OTHER_PARAMETERS: "silent-params-not-in-optimizer",
    Check.SCHEDULER_BEFORE_OPTIMIZER: "scheduler-before-optimizer",
    Check.LOSS_NOT_FINITE: "silent-nan-loss",
    Check.GRADIENTS_EXPLODE: "silent-nan-loss",
    Check.GRADIENTS_VANISH: "silent-no-gradient",
    Check.GRAPH_KEPT: "silent-memory-leak",
    Check.WEIGHT_DECAY_ON_NORM_OR_BIAS: "silent-weight-decay-norm",
    Check.DATA_NOT_SHUFFLED: "silent-no-shuffle",
    Check.DATA_NOT_NORMALISED: "silent-loss-not-decreasing",
    Check.ONE_CLASS_ONLY: "silent-loss-not-decreasing",
    Check.FLOAT64_CREEPS_IN: "dtype-mismatch",
    Check.TENSOR_OF_A_SIZE: "silent-tensor-vs-Tensor",
}
"""The entry that explains a warning."""


def finding_sentence(finding: Finding, language: Language) -> str:
    """One warning as a line of Markdown: where, what, and the facts it rests on."""
    words = say(language, f"check.{finding.check.replace('-', '_')}")
    facts = ", ".join(inline(f"{name}={value}", 60) for name, value in finding.facts.items())
    where = f"**{say(language, 'check.line', line=finding.line)}** " if finding.line else ""
    return f"{where}{words}{f' ({facts})' if facts else ''}"


def findings_embed(findings: Sequence[Finding], language: Language) -> discord.Embed:
    """All warnings of a run, or the word that there are none."""
    if not findings:
        text = say(language, "check.none")
        return discord.Embed(title=say(language, "check.title"), description=text, colour=GREEN)
    lines = [
        f"{finding_sentence(each, language)} → `{ENTRY_OF[each.check]}`" for each in findings[:10]
    ]
    if len(findings) > len(lines):
        lines.append(say(language, "check.more", count=len(findings) - len(lines)))
    return discord.Embed(
        title=say(language, "check.title"), description="\n".join(lines), colour=AMBER
    )
