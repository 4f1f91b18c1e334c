"""Rewrites of a learner's code that may cure a known error. Nothing here runs any code.

`candidates` only proposes: whoever shows an edit runs it first, and takes the first that ends well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites import (
    activations,
    api,
    arrays,
    attributes,
    autograd,
    checkpoints,
    classes,
    clearing,
    conv,
    data,
    devices,
    dtypes,
    graph,
    indexing,
    inplace,
    joining,
    linear,
    loading,
    loops,
    losses,
    optimizers,
    outputs,
    recurrent,
    reshaping,
    samples,
    schedules,
    syntax,
    tables,
    training,
    writing,
)
from bot.rewrites.case import REGISTER, Candidate, Case, Fault, Grade, Proposal, Rewrite
from bot.rewrites.siblings import alike, is_same
from bot.rewrites.source import Unreadable

__all__ = ["MOST", "REGISTER", "Candidate", "Fault", "Grade", "Rewrite", "candidates"]

MOST: Final = 8
"""Candidates at most: each costs a run."""

_FAMILIES: Final = (
    samples,
    loops,
    tables,
    linear,
    conv,
    recurrent,
    reshaping,
    joining,
    indexing,
    writing,
    dtypes,
    losses,
    activations,
    devices,
    clearing,
    autograd,
    inplace,
    graph,
    classes,
    attributes,
    optimizers,
    schedules,
    checkpoints,
    arrays,
    outputs,
    data,
    loading,
    training,
    api,
    syntax,
)
"""In the order in which equally graded edits are proposed."""

_ORDER: Final = tuple(
    sorted(
        REGISTER.values(),
        key=lambda made: [each.__name__ for each in _FAMILIES].index(made.propose.__module__),
    )
)
_NEVER: Final = re.compile(
    r"\b(?:weights_only\s*=\s*False|retain_graph\s*=\s*True|try\s*:|except\b)"
)
"""What no edit may bring in: it hides an error, or trusts a file."""

_UNFIT: Final = (
    cst.CSTValidationError,
    cst.ParserSyntaxError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading and editing odd code raises. A rewrite that ends so proposes nothing more."""


def candidates(code: str, fault: Fault, *, least: Grade = Grade.GUESS) -> tuple[Candidate, ...]:
    """Edits of `code` that may cure `fault`, the most promising first; at most `MOST`.

    Deterministic. Each differs from the code and from the others and can be compiled. Empty for
    code that cannot be read and for entries that no rewrite knows. Edits below the grade `least`
    are left out, with the work of finding them.
    """
    found: dict[str, Candidate] = {}
    proposed = (one for one in _all(code, fault, least) if one.grade.rank <= least.rank)
    for candidate in sorted(proposed, key=lambda one: one.grade.rank):
        if candidate.code not in found and _fit(code, candidate.code):
            found[candidate.code] = candidate
        if len(found) == MOST:
            break
    return tuple(found.values())


def _all(code: str, fault: Fault, least: Grade) -> Iterator[Candidate]:
    case = Case(code, fault)
    for made in _ORDER:
        if fault.slug in made.entries and min(one.rank for one in made.grades) <= least.rank:
            for proposal in _proposals(made, case):
                for edited, grade in _on_all_lines(code, proposal):
                    yield Candidate(made.id, edited, grade, proposal.values)


def _on_all_lines(code: str, proposal: Proposal) -> Iterator[tuple[str, Grade]]:
    """An edit, made wherever the same line stands; then made on lines that differ in names alone.

    Where the same line stands twice, an edit of one would leave the mistake in the other.
    """
    more = list(alike(code, proposal.code))
    same = [one for one in more[:1] if is_same(code, proposal.code, one)]
    for edited in same or [proposal.code]:
        yield edited, proposal.grade
    for edited in more[len(same) :]:
        yield edited, max(proposal.grade, Grade.LIKELY, key=lambda one: one.rank)


def _proposals(made: Rewrite, case: Case) -> list[Proposal]:
    proposals: list[Proposal] = []
    try:
        for proposal in made.propose(case):
            proposals.append(proposal)
            if len(proposals) == MOST:
                break
    except (Unreadable, *_UNFIT):
        pass
    return proposals


def _fit(before: str, after: str) -> bool:
    """Whether an edit changes the code, brings in nothing that no edit may, and compiles."""
    if after == before or len(_NEVER.findall(after)) > len(_NEVER.findall(before)):
        return False
    try:
        compile(after, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
