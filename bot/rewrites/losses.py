"""Rewrites of losses: shapes, dtypes and classes of their targets, and what comes before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Final

import libcst as cst

from bot.rewrites.case import (
    GUESS,
    LIKELY,
    Case,
    Grade,
    Proposal,
    guess,
    likely,
    rewrite,
    sure,
)
from bot.rewrites.layers import with_argument
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find

_FUNCTIONS: Final = frozenset(
    {
        *("cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"),
        *(
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "kl_div",
            "gaussian_nll_loss",
        ),
    }
)


def is_loss(case: Case, call: cst.Call) -> bool:
    """Whether a call computes a loss of an output and a target."""
    if len(call.args) < 2 or called(call).endswith("Loss"):
        return False
    if called(call) in _FUNCTIONS or case.names.kind(call.func).endswith("Loss"):
        return True
    if isinstance(call.func, cst.Call) and called(call.func).endswith("Loss"):
        return True
    name = (dotted(call.func) or "").lower()
    return any(part in name for part in ("loss", "criterion", "objective", "cost"))


def loss_calls(case: Case) -> list[cst.Call]:
    """The losses of the failing line, else the one behind `loss.backward()`, else all."""
    here = [call for call in case.failing(cst.Call) if is_loss(case, call)]
    if here:
        return here
    for call in case.failing_calls("backward"):
        if isinstance(call.func, cst.Attribute):
            value = case.names.value(call.func.value)
            behind = [c for c in find(value, cst.Call) if is_loss(case, c)] if value else []
            if behind:
                return behind
    return [call for call in case.source.calls if is_loss(case, call)]


def target_of(call: cst.Call) -> cst.BaseExpression | None:
    """The target that a loss is given."""
    return nth(call, 1, "target")


def each_target(case: Case) -> Iterator[tuple[cst.Call, cst.BaseExpression, cst.BaseExpression]]:
    """Each loss in question with its output and its target."""
    for call in loss_calls(case):
        output, target = nth(call, 0, "input"), target_of(call)
        if output is not None and target is not None:
            yield call, output, target


@rewrite(
    "target-to-long",
    "target-dtype-not-long",
    "op-not-implemented-for-dtype",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def target_to_long(case: Case) -> Iterator[Proposal]:
    """Casts class numbers to int64 for a loss over classes."""
    if case.slug == "op-not-implemented-for-dtype" and "nll" not in case.word("op"):
        return
    for _, _, target in each_target(case):
        edit = case.edit().replace(target, f"{case.atom(target)}.long()")
        yield whole_numbers(case, target)(edit, what=case.text(target))


@rewrite(
    "target-to-float",
    "loss-target-dtype-float",
    "result-type-cast",
    "op-not-implemented-for-dtype",
    "dtype-mismatch",
    grades=(Grade.SURE, Grade.LIKELY),
)
def target_to_float(case: Case) -> Iterator[Proposal]:
    """Casts the target of a loss over numbers or probabilities to float32."""
    grade = sure if case.slug == "loss-target-dtype-float" else likely
    for call, _, target in each_target(case):
        if case.slug == "op-not-implemented-for-dtype" and not case.failing(cst.Call):
            continue
        if called(call) == "cross_entropy" or case.names.kind(call.func) == "CrossEntropyLoss":
            continue
        edit = case.edit().replace(target, f"{case.atom(target)}.float()")
        yield grade(edit, what=case.text(target))


@rewrite("cast-input-and-target", "dtype-mismatch", grades=LIKELY)
def cast_input_and_target(case: Case) -> Iterator[Proposal]:
    """Casts both the data and the target of a training step to float32."""
    calls = [*case.callers, *case.failing(cst.Call)]
    for call in calls:
        data = nth(call, 0) if call.args else None
        for _, _, target in each_target(case):
            if isinstance(data, cst.Name) and data not in find(target, cst.Name):
                edit = case.edit().replace(data, f"{data.value}.float()")
                edit.replace(target, f"{case.atom(target)}.float()")
                yield likely(edit, what=data.value, target=case.text(target))


@rewrite("target-without-column", "ce-multi-target", grades=(Grade.SURE, Grade.LIKELY))
def target_without_column(case: Case) -> Iterator[Proposal]:
    """Makes a column of class numbers a plain row."""
    for _, _, target in each_target(case):
        shape = case.shape_of(target)
        if shape is None or (len(shape) == 2 and shape[1] == 1):
            edit = case.edit().replace(target, f"{case.atom(target)}.squeeze(1)")
            yield (sure if shape else likely)(edit, what=case.text(target))


@rewrite(
    "one-hot-to-index", "ce-multi-target", "nll-spatial-target", grades=(Grade.SURE, Grade.LIKELY)
)
def one_hot_to_index(case: Case) -> Iterator[Proposal]:
    """Turns one-hot rows into the class numbers that the loss wants."""
    for _, output, target in each_target(case):
        shape, out = case.shape_of(target), case.shape_of(output)
        if shape is not None and (len(shape) < 2 or shape[1] == 1):
            continue
        if case.slug == "nll-spatial-target" and (not shape or shape != out):
            continue
        edit = case.edit().replace(target, f"{case.atom(target)}.argmax(1)")
        yield (sure if shape and shape == out else likely)(edit, what=case.text(target))


@rewrite("target-without-channel", "nll-spatial-target", grades=(Grade.SURE, Grade.LIKELY))
def target_without_channel(case: Case) -> Iterator[Proposal]:
    """Drops the channel of a mask, so that it holds one class a pixel."""
    got = case.shape("got")
    for _, _, target in each_target(case):
        shape = case.shape_of(target) or got
        if shape is None or (len(shape) == 4 and shape[1] == 1):
            edit = case.edit().replace(target, f"{case.atom(target)}.squeeze(1)")
            yield (sure if shape else likely)(edit, what=case.text(target))


@rewrite("classes-second", "nll-spatial-target", grades=(Grade.SURE, Grade.LIKELY))
def classes_second(case: Case) -> Iterator[Proposal]:
    """Moves the classes of an output to the second dimension, where the loss looks for them."""
    expected, got = case.shape("expected"), case.shape("got")
    for _, output, target in each_target(case):
        shape = case.shape_of(target) or got
        out = case.shape_of(output)
        if shape is None or len(shape) != 2:
            continue
        if (out is not None and len(out) == 3 and out[:2] == shape) or (
            out is None and expected is not None and expected != got
        ):
            edit = case.edit().replace(output, f"{case.atom(output)}.transpose(1, 2)")
            yield (sure if out is not None else likely)(edit, what=case.text(output))


def _same_shape(
    case: Case, output: cst.BaseExpression, target: cst.BaseExpression
) -> tuple[str, Grade] | None:
    """The target's code in the shape of the output, and how much speaks for it."""
    want = case.shape("input") or case.shape_of(output)
    have = case.shape("target") or case.shape_of(target)
    text = case.atom(target)
    if want is not None and have is not None:
        if (*have, 1) == want:
            return f"{text}.unsqueeze({len(have)})", Grade.SURE
        if (*want, 1) == have:
            return f"{text}.squeeze({len(want)})", Grade.SURE
        if len(want) > 1 and sorted(want) == sorted(have) and 1 not in want:
            return _permuted(text, want, have)
        if prod(want) != prod(have):
            return None
        if [n for n in want if n != 1] != [n for n in have if n != 1] and not (
            want[:1] == have[:1] and min(len(want), len(have)) == 2
        ):
            # Other numbers would lie side by side: neither a dimension of 1 nor flattened rows.
            return None
    if isinstance(output, cst.Name | cst.Attribute):
        known = want is not None and have is not None
        return f"{text}.view_as({case.text(output)})", Grade.LIKELY if known else Grade.GUESS
    return None


def _permuted(text: str, want: tuple[int, ...], have: tuple[int, ...]) -> tuple[str, Grade] | None:
    """The code of a target with its dimensions in order; None when several orders fit."""
    if len(set(want)) != len(want):
        return None
    if len(want) == 2:
        return f"{text}.T", Grade.LIKELY
    order = ", ".join(str(have.index(size)) for size in want)
    return f"{text}.permute({order})", Grade.LIKELY


def whole_numbers(case: Case, data: cst.BaseExpression) -> Callable[..., Proposal]:
    """The grade of a cast to int64: fractions that it would cut off make it a guess."""
    thing = case.thing(data)
    if thing is None or thing.dtype is None:
        return likely
    if not thing.dtype.startswith(("float", "bfloat", "complex")):
        return sure
    ends = (thing.minimum, thing.maximum)
    return likely if all(end is not None and end == int(end) for end in ends) else guess


@rewrite(
    "target-like-output",
    "bce-target-size",
    "silent-mse-broadcast",
    "loss-target-dtype-float",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def target_like_output(case: Case) -> Iterator[Proposal]:
    """Gives the target of a loss the shape of the output, number for number."""
    if case.slug == "loss-target-dtype-float" and "size" not in case.message:
        return
    for _, output, target in each_target(case):
        made = _same_shape(case, output, target)
        if made is None:
            continue
        text, grade = made
        values = {"what": case.text(target), "new": text}
        yield Proposal(case.edit().replace(target, text).code(), grade, values)
        if case.slug == "bce-target-size":
            text = f"{text}.float()"
            grade = max(grade, Grade.LIKELY, key=lambda one: one.rank)
            values = {"what": case.text(target), "new": text}
            yield Proposal(case.edit().replace(target, text).code(), grade, values)


@rewrite("one-hot-target", "bce-target-size", grades=GUESS)
def one_hot_target(case: Case) -> Iterator[Proposal]:
    """Turns class numbers into one-hot rows for a loss that wants one number an output."""
    want, have = case.shape("input"), case.shape("target")
    if not want or not have or (*have, want[-1]) != want or want[-1] < 2:
        return
    for _, _, target in each_target(case):
        text = f"{case.functional}.one_hot({case.text(target)}.long(), {want[-1]}).float()"
        yield guess(case.edit().replace(target, text), what=case.text(target), number=want[-1])


@rewrite("scale-target", "bce-range", grades=GUESS)
def scale_target(case: Case) -> Iterator[Proposal]:
    """Moves targets of -1 and 1 to 0 and 1."""
    for _, _, target in each_target(case):
        thing = case.thing(target)
        if thing is not None and thing.minimum == -1 and thing.maximum == 1:
            edit = case.edit().replace(target, f"({case.text(target)} + 1) / 2")
            yield guess(edit, what=case.text(target))


@rewrite("count-all-classes", "ce-weight-size", grades=LIKELY)
def count_all_classes(case: Case) -> Iterator[Proposal]:
    """Counts every class, also those that do not occur, for the weights of a loss."""
    classes = case.number("classes")
    for call in case.source.calls:
        if called(call) == "bincount" and classes is not None:
            new = with_argument(case, call, "minlength", str(classes))
            edit = case.edit().replace(call, f"{case.text(new)}.clamp(min=1)")
            yield likely(edit, number=classes)
