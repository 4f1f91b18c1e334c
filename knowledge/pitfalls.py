"""Silent pitfalls that can be seen in a learner's code without running it.

Only what is sure enough is reported; comments never count. Code that does not parse even without
its broken lines yields nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from knowledge import loop_pitfalls, network_pitfalls
from knowledge.syntax import Code, read_code


@dataclass(frozen=True)
class Pitfall:
    """A pitfall seen in code: the slug of the entry that explains it, and the telling line.

    `sure` is false where something is left out that may stand in code which was not posted, or
    that is sometimes meant so.
    """

    slug: str
    code: str
    sure: bool = True


_CHECKS: Final[tuple[tuple[Callable[[Code], network_pitfalls.Finds], bool], ...]] = (
    (network_pitfalls.activation_before_loss, True),
    (network_pitfalls.loss_of_another_task, True),
    (network_pitfalls.softmax_over_the_batch, True),
    (network_pitfalls.unregistered, True),
    (network_pitfalls.dropout_always_on, True),
    (network_pitfalls.view_as_permute, True),
    (network_pitfalls.tensor_of_sizes, True),
    (network_pitfalls.softmax_without_dimension, False),
    (network_pitfalls.log_of_probabilities, False),
    (loop_pitfalls.zero_grad_missing, True),
    (loop_pitfalls.step_missing, True),
    (loop_pitfalls.cut_gradient, True),
    (loop_pitfalls.kept_graph, True),
    (loop_pitfalls.eval_never_left, True),
    (loop_pitfalls.clip_before_unscale, True),
    (loop_pitfalls.parameters_left_out, True),
    (loop_pitfalls.scheduler_before_optimizer, True),
    (loop_pitfalls.scheduler_per_batch, True),
    (loop_pitfalls.eval_missing, False),
    (loop_pitfalls.shuffle_missing, False),
    (loop_pitfalls.accumulation_tail, False),
    (loop_pitfalls.huge_learning_rate, False),
)


def find_pitfalls(blocks: Sequence[str]) -> tuple[Pitfall, ...]:
    """The pitfalls in the code of one post, each slug once, the sure ones first. Never raises."""
    found: dict[str, Pitfall] = {}
    try:
        code = read_code(blocks)
        for check, sure in _CHECKS:
            for slug, node in check(code):
                line = ast.unparse(node).split("\n", 1)[0][:200]
                found.setdefault(slug, Pitfall(slug, line, sure))
    except RecursionError:  # code nested so deeply that nobody wrote it by hand
        return ()
    return tuple(sorted(found.values(), key=lambda pitfall: not pitfall.sure))
