"""Rewrites of transforms, distributions, linear algebra and data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from bot.rewrites.case import (
    GUESS,
    LIKELY,
    SURE,
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
from bot.rewrites.source import called, dotted


@rewrite("probabilities-of-logits", "probability-invalid", grades=(Grade.LIKELY, Grade.GUESS))
def probabilities_of_logits(case: Case) -> Iterator[Proposal]:
    """Turns raw outputs into probabilities before something is drawn by them."""
    for call in case.failing(cst.Call):
        name = called(call)
        if name == "multinomial":
            data = case.operand(call)
            if data is not None:
                edit = case.edit().replace(data, f"{case.atom(data)}.softmax(dim=-1)")
                yield _of_logits(case, data)(edit, what=case.text(data))
        elif name in {"Categorical", "Bernoulli", "OneHotCategorical", "Multinomial"}:
            data = nth(call, 0, "probs")
            for arg in call.args:
                if data is not None and arg.value is data:
                    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
                    new = arg.with_changes(keyword=cst.Name("logits"), equal=tight)
                    yield _of_logits(case, data)(case.edit().swap(arg, new), what=case.text(data))
        elif name in {"bernoulli", "bernoulli_"}:
            data = case.operand(call)
            if data is not None:
                edit = case.edit().replace(data, f"torch.sigmoid({case.text(data)})")
                yield likely(edit.importing("import torch"), what=case.text(data))
        elif name in {"Normal", "normal", "LogNormal"}:
            scale = nth(call, 1, "scale") or nth(call, 1, "std")
            if scale is not None and case.names.number(scale) is None:
                text = f"{case.functional}.softplus({case.text(scale)})"
                yield guess(case.edit().replace(scale, text), what=case.text(scale))


def _of_logits(case: Case, data: cst.BaseExpression) -> Callable[..., Proposal]:
    """The grade: softmax would also hide zeros, and what is not a number, that came from a bug."""
    thing = case.thing(data)
    hides = thing is not None and (
        bool(thing.nans) or (thing.minimum is None or thing.minimum >= 0)
    )
    return guess if hides or "sum of probabilities" in case.message else likely


@rewrite("draw-with-replacement", "probability-invalid", grades=GUESS)
def draw_with_replacement(case: Case) -> Iterator[Proposal]:
    """Draws with replacement where more is drawn than there is."""
    if "without replacement" not in case.message:
        return
    for call in case.failing_calls("multinomial"):
        yield guess(case.edit().swap(call, with_argument(case, call, "replacement", "True")))


@rewrite("pseudo-inverse", "linalg-singular", grades=GUESS)
def pseudo_inverse(case: Case) -> Iterator[Proposal]:
    """Solves with the pseudo-inverse or by least squares, which singular matrices allow."""
    for call in case.failing(cst.Call):
        name = called(call)
        func = call.func
        if name in {"inv", "inverse"}:
            data = case.operand(call)
            if data is not None:
                edit = case.edit().replace(call, f"torch.linalg.pinv({case.text(data)})")
                yield guess(edit.importing("import torch"), old=name)
        elif name == "solve" and isinstance(func, cst.Attribute) and len(call.args) >= 2:
            a = case.text(call.args[0].value)
            edit = case.edit().replace(
                call, f"torch.linalg.pinv({a}) @ {case.atom(call.args[1].value)}"
            )
            yield guess(edit.importing("import torch"), old=name)
        elif name == "cholesky":
            data = case.operand(call)
            if data is not None:
                size = f"torch.eye({case.atom(data)}.size(-1))"
                edit = case.edit().replace(data, f"{case.text(data)} + 1e-4 * {size}")
                yield guess(edit.importing("import torch"), old=name)


@rewrite("order-transforms", "transform-input-type", grades=SURE)
def order_transforms(case: Case) -> Iterator[Proposal]:
    """Puts ToTensor before what works on tensors, and takes a second one away."""
    for call in case.source.calls:
        if called(call) != "Compose" or not call.args:
            continue
        listed = call.args[0].value
        if not isinstance(listed, cst.List):
            continue
        values = [element.value for element in listed.elements]
        names = [called(value) for value in values]
        if "ToTensor" in names and "Normalize" in names:
            one, two = names.index("ToTensor"), names.index("Normalize")
            if two < one:
                values.insert(two, values.pop(one))
                text = f"[{', '.join(case.text(value) for value in values)}]"
                yield sure(case.edit().replace(listed, text))
        elif "Normalize" in names:
            at = names.index("Normalize")
            home = dotted(call.func) or "Compose"
            maker = home.removesuffix("Compose") + "ToTensor()"
            texts = [case.text(value) for value in values]
            texts.insert(at, maker)
            yield sure(case.edit().replace(listed, f"[{', '.join(texts)}]"))


@rewrite("warn-about-determinism", "deterministic-implementation", grades=GUESS)
def warn_about_determinism(case: Case) -> Iterator[Proposal]:
    """Lets operations without a deterministic form run, with a warning."""
    for call in case.source.calls:
        if called(call) == "use_deterministic_algorithms":
            yield guess(case.edit().swap(call, with_argument(case, call, "warn_only", "True")))


@rewrite("dense-operand", "backend-not-available", grades=LIKELY)
def dense_operand(case: Case) -> Iterator[Proposal]:
    """Makes a sparse tensor dense for an operation that knows no sparse ones."""
    if "parse" not in case.message:
        return
    for call in case.failing(cst.Call):
        data = case.operand(call)
        if data is not None and called(call) not in {"print", "to_sparse"}:
            edit = case.edit().replace(data, f"{case.atom(data)}.to_dense()")
            yield likely(edit, what=case.text(data))


@rewrite("keep-both-filtered", "tensor-dataset-size", grades=GUESS)
def keep_both_filtered(case: Case) -> Iterator[Proposal]:
    """Filters the targets with the mask that the data were filtered with."""
    for call in case.failing_calls("TensorDataset"):
        names = [dotted(arg.value) for arg in call.args]
        for name in names:
            for bound in case.names.bindings.get(name or "", ()):
                value = bound.value
                if not isinstance(value, cst.Subscript) or dotted(value.value) != name:
                    continue
                others = [other for other in names if other != name and other]
                index = case.text(value).removeprefix(case.text(value.value))
                keep = f"keep = {index[1:-1]}"
                lines = [keep, f"{name} = {name}[keep]", *(f"{o} = {o}[keep]" for o in others)]
                edit = case.edit().instead(bound.statement, "\n".join(lines))
                yield guess(edit, what=", ".join(others))


@rewrite("complex-spectrum", "stft-complex", grades=SURE)
def complex_spectrum(case: Case) -> Iterator[Proposal]:
    """Asks stft for complex numbers, and takes their size with abs()."""
    if "return_complex" not in case.message:
        return
    for call in case.failing_calls("stft"):
        new = with_argument(case, call, "return_complex", "True")
        edit = case.edit().swap(call, new)
        for other in case.source.calls:
            # real and imaginary part squared, summed, rooted: what abs() is of a complex number
            text = "".join(case.text(other).split())
            for pattern in (".pow(2).sum(-1).sqrt()", ".pow(2).sum(dim=-1).sqrt()"):
                if text.endswith(pattern):
                    data = other.func.value.func.value.func.value  # type: ignore[attr-defined]
                    edit.replace(other, f"{case.atom(data)}.abs()")
        yield sure(edit)
