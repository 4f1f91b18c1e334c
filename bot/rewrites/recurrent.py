"""Rewrites of recurrent layers and of attention."""

from __future__ import annotations

from collections.abc import Iterator

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
from bot.rewrites.layers import RECURRENT, argument, constructors, sized, with_argument
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import first_argument, inner_inputs, inputs, set_number

_CELLS = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")
_MAKING = ("zeros", "randn", "ones", "rand", "empty", "new_zeros", "full")


def _is_recurrent(case: Case, call: cst.CSTNode) -> bool:
    return isinstance(call, cst.Call) and (
        case.names.kind(call.func) in RECURRENT
        or (isinstance(call.func, cst.Call) and called(call.func) in RECURRENT)
    )


@rewrite(
    "take-rnn-output",
    "rnn-hidden-size",
    "arg-must-be-tensor",
    "module-attribute-missing",
    "torch-attribute-missing",
    "load-class-missing",
    grades=(Grade.SURE, Grade.LIKELY),
)
def take_rnn_output(case: Case) -> Iterator[Proposal]:
    """Takes the output alone out of the pair that a recurrent layer returns."""
    if "tuple" not in case.message:
        return
    for call in case.source.calls:
        if not _is_recurrent(case, call):
            continue
        above = case.source.parent(call)
        if isinstance(above, cst.Assign):
            target = above.targets[0].target
            if isinstance(target, cst.Name | cst.Attribute):
                edit = case.edit().swap(above.targets[0], _target(f"{case.text(target)}, _ = 0"))
                yield sure(edit, what=case.text(target))
        elif not isinstance(above, cst.Subscript):
            yield sure(case.edit().replace(call, f"{case.text(call)}[0]"), what=case.text(call))
    for sequential in constructors(case, "Sequential"):
        for arg in sequential.args:
            if isinstance(arg.value, cst.Call) and called(arg.value) in RECURRENT:
                return
    for name in case.failing(cst.Name):
        made = case.names.resolve(name)
        value = made.value if made is not None and made.item is None and not made.loop else None
        if value is not None and any(_is_own_rnn(case, call) for call in find(value, cst.Call)):
            edit = case.edit().replace(value, f"{case.atom(value)}[0]")
            yield likely(edit, what=name.value)


def _is_own_rnn(case: Case, call: cst.Call) -> bool:
    """Whether a call runs a model of the snippet whose forward returns a pair."""
    owner = case.names.class_of(call.func)
    if owner is None or dotted(call.func) == "self":
        return False
    return any(isinstance(node.value, cst.Tuple) for node in find(owner, cst.Return) if node.value)


def _target(text: str) -> cst.AssignTarget:
    return find(cst.parse_statement(text), cst.AssignTarget)[0]


@rewrite("set-state-size", "rnn-hidden-size", grades=(Grade.SURE, Grade.LIKELY))
def set_state_size(case: Case) -> Iterator[Proposal]:
    """Makes the initial state of a recurrent layer as large as the batch that arrives."""
    expected, got = case.shape("expected"), case.shape("got")
    if not expected or not got or len(expected) != len(got):
        return
    wrong = [at for at, (one, two) in enumerate(zip(expected, got, strict=True)) if one != two]
    states = [
        call
        for call in case.source.calls
        if called(call) in _MAKING and len(_sizes(call)) == len(expected)
    ]
    edit, changed = case.edit(), False
    for call in states:
        sizes = _sizes(call)
        known = [case.names.number(size) for size in sizes]
        if any(n not in (None, got[at]) for at, n in enumerate(known)):
            continue
        for at in wrong:
            edit.replace(sizes[at], _size(case, call, at, expected[at]))
            changed = True
    if changed:
        yield (sure if wrong == [1] else likely)(edit, old=str(list(got)), new=str(list(expected)))


def _size(case: Case, call: cst.Call, at: int, number: int) -> str:
    """The batch size as an expression where the input of the layer has a name there."""
    for use in [c for c in case.failing(cst.Call) if _is_recurrent(case, c)] if at == 1 else ():
        data = first_argument(use)
        made = case.names.constructed(use.func)
        first = nth(made, 9, "batch_first") if made is not None else None
        if not isinstance(data, cst.Name):
            continue
        scope = case.names.scope(call)
        bound = case.names.resolve(data)
        near = scope is case.names.scope(use)
        if near and (bound is None or case.source.line(bound.statement) < case.source.line(call)):
            batch_first = first is not None and case.text(first) == "True"
            return f"{data.value}.size({0 if batch_first else 1})"
    return str(number)


def _sizes(call: cst.Call) -> list[cst.BaseExpression]:
    values = [arg.value for arg in call.args if arg.keyword is None]
    if len(values) == 1 and isinstance(values[0], cst.Tuple | cst.List):
        return [element.value for element in values[0].elements]
    return values


@rewrite("set-input-size", "rnn-input-size", grades=(Grade.SURE, Grade.LIKELY))
def set_input_size(case: Case) -> Iterator[Proposal]:
    """Sets the input_size of a recurrent layer to the number of features that arrive."""
    expected, got = case.number("expected"), case.number("got")
    if expected is None or got is None:
        return
    shapes = [s for data in inputs(case) if (s := case.shape_of(data))]
    if expected == 1 and not any(len(shape) == 3 for shape in shapes):
        return
    for layer in sized(case, _CELLS, input_size=expected):
        edit = set_number(case, layer, "input_size", got)
        unsure = any(expected in shape for shape in shapes)
        yield (likely if unsure or not shapes else sure)(edit, old=expected, number=got)


@rewrite("add-series-dim", "rnn-input-size", grades=(Grade.SURE, Grade.LIKELY))
def add_series_dim(case: Case) -> Iterator[Proposal]:
    """Gives series of plain numbers the last dimension that a recurrent layer wants."""
    if case.number("expected") != 1:
        return
    for data in inputs(case):
        shape = case.shape_of(data)
        if shape is None or len(shape) < 3:
            edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(-1)")
            yield (sure if shape else likely)(edit, what=case.text(data))


@rewrite("rows-as-steps", "rnn-input-size", grades=GUESS)
def rows_as_steps(case: Case) -> Iterator[Proposal]:
    """Joins the last dimensions, so that a recurrent layer gets three."""
    if (case.number("ndim") or 0) < 4:
        return
    for data in inner_inputs(case):
        edit = case.edit().replace(data, f"{case.atom(data)}.flatten(2)")
        yield guess(edit, what=case.text(data))


@rewrite("divide-heads", "attention-embed-dim", grades=LIKELY)
def divide_heads(case: Case) -> Iterator[Proposal]:
    """Takes the largest number of heads, up to the one wanted, that divides the embedding."""
    kinds = {"MultiheadAttention": ("embed_dim", "num_heads")}
    kinds |= {
        f"Transformer{part}": ("d_model", "nhead") for part in ("", "EncoderLayer", "DecoderLayer")
    }
    for layer in constructors(case, *kinds):
        size, heads = (argument(layer, name) for name in kinds[called(layer)])
        if size is None or heads is None:
            continue
        width, count = case.names.number(size), case.names.number(heads)
        width = width if width is not None else case.number("dim")
        count = count if count is not None else case.number("heads")
        if isinstance(width, int) and isinstance(count, int) and count > 0 and width % count:
            best = max(h for h in range(1, count + 1) if width % h == 0)
            edit = set_number(case, layer, kinds[called(layer)][1], best)
            yield likely(edit, old=count, number=best, width=width)


@rewrite("set-embed-dim", "attention-embed-dim", grades=LIKELY)
def set_embed_dim(case: Case) -> Iterator[Proposal]:
    """Sets the embedding size of an attention layer to the one that arrives."""
    got, expected = case.number("got"), case.number("expected")
    if got is None:
        return
    kinds = {"MultiheadAttention": ("embed_dim", "num_heads")}
    kinds |= {
        f"Transformer{part}": ("d_model", "nhead") for part in ("EncoderLayer", "DecoderLayer")
    }
    for layer in constructors(case, *kinds):
        size, heads = (argument(layer, name) for name in kinds[called(layer)])
        if size is None or case.names.number(size) not in (None, expected):
            continue
        count = case.names.number(heads) if heads is not None else None
        if isinstance(count, int) and count > 0 and got % count == 0:
            edit = set_number(case, layer, kinds[called(layer)][0], got)
            yield likely(edit, old=expected or 0, number=got)


@rewrite("pack-unsorted", "packed-sequence-lengths", grades=SURE)
def pack_unsorted(case: Case) -> Iterator[Proposal]:
    """Packs sequences in any order, with their lengths on the CPU as whole numbers."""
    for call in case.failing_calls("pack_padded_sequence", "pack_sequence"):
        if "sorted" in case.message:
            new = with_argument(case, call, "enforce_sorted", "False")
            yield sure(case.edit().swap(call, new), what="enforce_sorted")
        lengths = nth(call, 1, "lengths")
        if lengths is not None and "1D CPU" in case.message:
            text = f"{case.atom(lengths)}.flatten().long().cpu()"
            yield sure(case.edit().replace(lengths, text), what=case.text(lengths))


@rewrite("unpack-output", "packed-sequence-lengths", grades=SURE)
def unpack_output(case: Case) -> Iterator[Proposal]:
    """Unpacks the output of a recurrent layer before it is used as a tensor."""
    if "PackedSequence" not in case.message:
        return
    for node in case.failing(cst.Name):
        bound = case.names.resolve(node)
        if bound is None or not any(_is_recurrent(case, c) for c in find(bound.value, cst.Call)):
            continue
        packing = [c for c in case.source.calls if called(c) == "pack_padded_sequence"]
        first = any(
            (flag := nth(c, 2, "batch_first")) is not None and case.text(flag) == "True"
            for c in packing
        )
        option = ", batch_first=True" if first else ""
        text = f"{node.value}, _ = pad_packed_sequence({node.value}{option})"
        edit = case.edit().importing("from torch.nn.utils.rnn import pad_packed_sequence")
        yield sure(edit.after(bound.statement, text), what=node.value)


@rewrite("one-bag", "embedding-bag-offsets", grades=SURE)
def one_bag(case: Case) -> Iterator[Proposal]:
    """Makes the tokens of one text a batch of one bag."""
    if "offsets has to be a 1D" not in case.message:
        return
    for data in inputs(case):
        edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(0)")
        yield sure(edit, what=case.text(data))


@rewrite("time-first", "ctc-loss-lengths", grades=LIKELY)
def time_first(case: Case) -> Iterator[Proposal]:
    """Puts the time before the batch, as CTCLoss wants its outputs."""
    for call in case.failing(cst.Call):
        kind = case.names.kind(call.func)
        made = isinstance(call.func, cst.Call) and called(call.func) == "CTCLoss"
        data = nth(call, 0, "log_probs")
        if data is not None and (kind == "CTCLoss" or made or called(call) == "ctc_loss"):
            edit = case.edit().replace(data, f"{case.atom(data)}.transpose(0, 1)")
            yield likely(edit, what=case.text(data))
