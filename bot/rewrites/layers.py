"""The arguments of the constructors that rewrites change, and how a failing layer is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import Case
from bot.rewrites.names import nth
from bot.rewrites.source import called, find, walk

_CONV = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
_NORM = ("num_features", "eps", "momentum")
_RNN = ("input_size", "hidden_size", "num_layers")
_POOL = ("kernel_size", "stride", "padding")

ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "Linear": ("in_features", "out_features", "bias"),
    "LazyLinear": ("out_features", "bias"),
    "Bilinear": ("in1_features", "in2_features", "out_features"),
    **{f"Conv{n}d": _CONV for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _CONV[:5] for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": _NORM for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": _NORM for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": _POOL for kind in ("Max", "Avg") for n in (1, 2, 3)},
    "Embedding": ("num_embeddings", "embedding_dim", "padding_idx"),
    "RNN": _RNN,
    "GRU": _RNN,
    "LSTM": _RNN,
    "RNNCell": _RNN[:2],
    "GRUCell": _RNN[:2],
    "LSTMCell": _RNN[:2],
    "LayerNorm": ("normalized_shape", "eps"),
    "RMSNorm": ("normalized_shape", "eps"),
    "GroupNorm": ("num_groups", "num_channels"),
    "MultiheadAttention": ("embed_dim", "num_heads"),
    "TransformerEncoderLayer": ("d_model", "nhead", "dim_feedforward"),
    "TransformerDecoderLayer": ("d_model", "nhead", "dim_feedforward"),
    "Transformer": ("d_model", "nhead"),
    "DataLoader": (
        "dataset",
        "batch_size",
        "shuffle",
        "sampler",
        "batch_sampler",
        "num_workers",
        "collate_fn",
        "pin_memory",
        "drop_last",
    ),
    "Dropout": ("p", "inplace"),
    "ReLU": ("inplace",),
    "Upsample": ("size", "scale_factor", "mode"),
    "CrossEntropyLoss": ("weight",),
    "NLLLoss": ("weight",),
    "load": ("f", "map_location"),
    "interpolate": ("input", "size", "scale_factor", "mode"),
    "pad": ("input", "pad", "mode", "value"),
    "cat": ("tensors", "dim"),
    "stack": ("tensors", "dim"),
    "softmax": ("input", "dim"),
    "log_softmax": ("input", "dim"),
    "tensor": ("data", "dtype"),
}
"""The positional arguments, in order, of what is called by the last part of its name."""

RECURRENT: Final = frozenset({"RNN", "GRU", "LSTM"})


def argument(call: cst.Call, name: str) -> cst.BaseExpression | None:
    """The value that a call gives an argument, by position or by name."""
    names = ARGUMENTS.get(called(call), ())
    return nth(call, names.index(name) if name in names else len(call.args), name)


def with_argument(case: Case, call: cst.Call, name: str, text: str) -> cst.Call:
    """The call with an argument set to `text`: exchanged where given, else appended by name."""
    value = argument(call, name)
    new = cst.parse_expression(text)
    if value is not None:
        args = [arg.with_changes(value=new) if arg.value is value else arg for arg in call.args]
        return call.with_changes(args=args)
    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    added = cst.Arg(new, keyword=cst.Name(name), equal=tight)
    if not call.args:
        return call.with_changes(args=[added])
    *others, last = call.args
    if isinstance(last.comma, cst.Comma):
        # A call over several lines, one argument a line: the new one looks like its neighbours.
        space = (
            others[-1].comma if others else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        )
        added = added.with_changes(comma=last.comma)
        return call.with_changes(args=[*others, last.with_changes(comma=space), added])
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    ending = last.whitespace_after_arg
    last = last.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*others, last, added.with_changes(whitespace_after_arg=ending)])


def without_argument(call: cst.Call, name: str) -> cst.Call:
    """The call without an argument."""
    value = argument(call, name)
    args = [arg for arg in call.args if arg.value is not value]
    if args and len(args) < len(call.args) and call.args[-1] not in args:
        args[-1] = args[-1].with_changes(comma=call.args[-1].comma)
    return call.with_changes(args=args)


def constructors(case: Case, *kinds: str) -> list[cst.Call]:
    """The calls that build layers of these kinds, those that the failing line uses first."""
    everywhere = [
        call for call in case.source.calls if called(call) in kinds and _builds(case, call)
    ]
    near = [call for part in case.focus for call in _behind(case, part, set())]
    reached = [call for call in everywhere if any(call is one for one in near)]
    return reached + [call for call in everywhere if all(call is not one for one in reached)]


def sized(case: Case, kinds: tuple[str, ...], **sizes: int | None) -> list[cst.Call]:
    """The constructors whose arguments are, or may be, of the given sizes; certain ones first."""
    certain, possible = [], []
    for call in constructors(case, *kinds):
        found = {
            name: case.names.number(value)
            for name in sizes
            if (value := argument(call, name)) is not None
        }
        wanted = {name: size for name, size in sizes.items() if size is not None}
        if any(found.get(name) not in (None, size) for name, size in wanted.items()):
            continue
        if all(found.get(name) == size for name, size in wanted.items()):
            certain.append(call)
        else:
            possible.append(call)
    return certain or possible


def failed_layer(case: Case) -> cst.Call | None:
    """The constructor of the innermost layer that the way of the data shows as failed."""
    layers = case.fault.scene.layers if case.fault.scene is not None else ()
    failed = [layer.name for layer in layers if layer.failed]
    if not failed or not failed[-1]:
        return None
    first, *rest = failed[-1].split(".")
    made: cst.Call | None = None
    if first.isdecimal():
        first, rest, roots = "", [first, *rest], constructors(case, "Sequential")[:1]
        made = roots[0] if roots else None
    else:
        values = [b.value for b in case.names.bindings.get(f"self.{first}", ())]
        made = case.names.constructed(values[-1]) if values else None
    for part in rest:
        if made is None or not part.isdecimal() or called(made) != "Sequential":
            return None
        at = int(part)
        if at >= len(made.args) or any(arg.star for arg in made.args):
            return None
        made = case.names.constructed(made.args[at].value)
    return made


def _builds(case: Case, call: cst.Call) -> bool:
    """Whether a call is of torch's own class of this name, not of a function such as `cat`."""
    return called(call) not in case.names.classes and called(call)[:1].isupper()


def _behind(case: Case, node: cst.CSTNode, seen: set[str]) -> Iterator[cst.Call]:
    """The constructor calls behind everything that a piece of code calls."""
    for call in find(node, cst.Call):
        yield call
        made = case.names.constructed(call.func)
        if made is None and isinstance(call.func, cst.Subscript):
            made = case.names.constructed(call.func.value)
        if made is None or case.text(made) in seen:
            continue
        seen.add(case.text(made))
        owner = case.names.classes.get(called(made))
        for part in walk(owner if owner is not None else made):
            if isinstance(part, cst.Call):
                yield part
