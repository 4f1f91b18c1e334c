"""Rewrites of convolutions, pooling and normalisation layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isqrt

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
from bot.rewrites.layers import argument, constructors, failed_layer, sized, with_argument
from bot.rewrites.source import called
from bot.rewrites.spots import inputs, set_number

_CONVS = tuple(f"Conv{kind}{n}d" for kind in ("", "Transpose") for n in (1, 2, 3))
_NORMS = tuple(f"{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3))
_POOLS = tuple(f"{kind}Pool{n}d" for kind in ("Max", "Avg") for n in (1, 2, 3))
_FUNCTIONS = (
    *(f"conv{n}d" for n in (1, 2, 3)),
    *(f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_avg") for n in (1, 2, 3)),
    "interpolate",
    "pad",
)


def _ndim(case: Case, data: cst.BaseExpression) -> int | None:
    shape = case.shape_of(data)
    return len(shape) if shape is not None else None


@rewrite("permute-channels", "conv-channel-mismatch", grades=(Grade.SURE, Grade.LIKELY))
def permute_channels(case: Case) -> Iterator[Proposal]:
    """Moves the channels of an input from the last place to where a convolution wants them."""
    size, expected = case.shape("size"), case.number("expected")
    if size is None or len(size) < 3 or size[-1] != expected:
        return
    for data in inputs(case, *_FUNCTIONS):
        ndim = _ndim(case, data)
        orders = {
            5: ["0, 4, 1, 2, 3"],
            4: ["0, 3, 1, 2"] + (["2, 0, 1"] if size[0] == 1 else []),
            3: ["0, 2, 1"],
        }.get(len(size), [])
        for order in orders:
            if ndim is None or order.count(",") + 1 == ndim:
                edit = case.edit().replace(data, f"{case.atom(data)}.permute({order})")
                yield (sure if ndim else likely)(edit, what=case.text(data), order=order)


@rewrite(
    "add-channel-dim", "conv-channel-mismatch", "conv-input-dims", grades=(Grade.SURE, Grade.LIKELY)
)
def add_channel_dim(case: Case) -> Iterator[Proposal]:
    """Gives a batch of grey images or of plain series the channel dimension that it lacks."""
    size, expected = case.shape("size"), case.number("expected")
    if size is None:
        return
    if case.slug == "conv-channel-mismatch":
        # The message counts an input without batch as a batch of one.
        fits = size[0] == 1 and expected == 1
        wanted = len(size) - 1
    else:
        batched = case.number("batched")
        wanted = len(size)
        layers = sized(case, _CONVS, in_channels=1)
        fits = batched == len(size) + 1 and bool(layers) and size[0] != 1
    for data in inputs(case, *_FUNCTIONS) if fits else ():
        ndim = _ndim(case, data)
        if ndim is None or ndim == wanted:
            edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(1)")
            yield (sure if ndim else likely)(edit, what=case.text(data))


def _failing_convs(case: Case, expected: int | None) -> list[cst.Call]:
    """The convolutions that may be the failing one: by the scene, else by its weight."""
    weight = case.numbers(r"weight of size \[(\d+), (\d+)")
    transposed = "transposed=1" in case.message or "ConvTranspose" in case.message
    kinds = tuple(kind for kind in _CONVS if ("Transpose" in kind) == transposed)
    out = (weight[1] if transposed else weight[0]) if weight is not None else None
    found = sized(case, kinds, in_channels=expected, out_channels=out)
    found = (
        found
        or sized(case, kinds, in_channels=expected)
        or sized(case, _CONVS, in_channels=expected)
    )
    seen = failed_layer(case)
    return [one for one in found if one is seen] or found


@rewrite(
    "set-in-channels",
    "conv-channel-mismatch",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def set_in_channels(case: Case) -> Iterator[Proposal]:
    """Sets the in_channels of a convolution to the number of channels that arrive."""
    expected, got, size = case.number("expected"), case.number("got"), case.shape("size")
    if got is None:
        return
    before = {
        case.names.number(value)
        for call in constructors(case, *_CONVS)
        if (value := argument(call, "out_channels")) is not None
    }
    last = size is not None and size[-1] == expected
    for conv in _failing_convs(case, expected):
        edit = set_number(case, conv, "in_channels", got)
        # Rather the channels stand last, or the message took many grey pictures for one.
        other = last or (size is not None and size[0] == 1 and expected == 1 and got > 4)
        grade = guess if other else sure if got in before else likely
        yield grade(edit, old=expected or 0, number=got)


@rewrite("repeat-grey-channel", "conv-channel-mismatch", grades=GUESS)
def repeat_grey_channel(case: Case) -> Iterator[Proposal]:
    """Repeats the one channel of a grey image for a layer that was made for colours."""
    size, expected = case.shape("size"), case.number("expected")
    if size is None or case.number("got") != 1 or expected != 3:
        return
    times = ", ".join(["1", str(expected), *("1" for _ in size[2:])])
    for data in inputs(case, *_FUNCTIONS):
        edit = case.edit().replace(data, f"{case.atom(data)}.repeat({times})")
        yield guess(edit, what=case.text(data), number=expected)


@rewrite(
    "add-batch-dim",
    "conv-input-dims",
    "conv-channel-mismatch",
    "norm-input-dims",
    "interpolate-dims",
    "padding-too-large",
    "rnn-input-size",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def add_batch_dim(case: Case) -> Iterator[Proposal]:
    """Makes a single sample a batch of one."""
    size = case.shape("size")
    got = case.number("got") or (len(size) if size else None)
    wanted = case.number("batched") or case.number("wanted")
    spatial = case.shape("spatial")
    if case.slug == "interpolate-dims" and wanted is None and spatial is not None:
        wanted, got = 4, len(spatial) + 2
    if case.slug == "conv-channel-mismatch" and (size is None or size[0] != 1):
        return
    for data in inputs(case, *_FUNCTIONS):
        ndim = _ndim(case, data) or got
        if case.slug in {"conv-channel-mismatch", "rnn-input-size", "padding-too-large"}:
            lacking = 1
        else:
            lacking = wanted - ndim if wanted and ndim else 0
        if lacking == 1:
            edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(0)")
        elif lacking == 2:
            edit = case.edit().replace(data, f"{case.atom(data)}[None, None]")
        else:
            continue
        if case.slug in {"conv-channel-mismatch", "rnn-input-size", "padding-too-large"}:
            yield guess(edit, what=case.text(data))
        else:
            yield likely(edit, what=case.text(data))


@rewrite("view-as-image", "conv-input-dims", grades=(Grade.SURE, Grade.LIKELY))
def view_as_image(case: Case) -> Iterator[Proposal]:
    """Gives flattened square images their channels, height and width back."""
    size = case.shape("size")
    if size is None or len(size) != 2 or case.number("batched") != 4:
        return
    convs = constructors(case, *_CONVS)
    value = argument(convs[0], "in_channels") if convs else None
    channels = case.names.number(value) if value is not None else 1
    if not isinstance(channels, int) or channels < 1 or size[1] % channels:
        return
    side = isqrt(size[1] // channels)
    if side < 4 or side * side * channels != size[1]:
        return
    for data in inputs(case, *_FUNCTIONS):
        form = f"-1, {channels}, {side}, {side}"
        edit = case.edit().replace(data, f"{case.atom(data)}.view({form})")
        yield sure(edit, what=case.text(data), form=form)


@rewrite("squeeze-extra-dim", "conv-input-dims", "norm-input-dims", "rnn-input-size", grades=LIKELY)
def squeeze_extra_dim(case: Case) -> Iterator[Proposal]:
    """Drops a dimension of size 1 that a layer does not want."""
    size = case.shape("size")
    wanted = case.number("batched") or case.number("wanted") or 3
    for data in inputs(case, *_FUNCTIONS):
        shape = case.shape_of(data) or size
        if shape is None or len(shape) <= wanted or 1 not in shape:
            continue
        at = shape.index(1, 1) if 1 in shape[1:] else 0
        edit = case.edit().replace(data, f"{case.atom(data)}.squeeze({at})")
        yield likely(edit, what=case.text(data), dim=at)


@rewrite("swap-norm-layer", "norm-input-dims", grades=(Grade.SURE, Grade.LIKELY))
def swap_norm_layer(case: Case) -> Iterator[Proposal]:
    """Takes the normalisation layer for as many dimensions as arrive."""
    got, wanted = case.number("got"), case.number("wanted")
    kinds = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}
    if got not in kinds or wanted is None:
        return
    present = "1d" if wanted < 4 else "2d" if wanted == 4 else "3d"
    if present == kinds[got]:
        return
    if got == 3 and not constructors(case, "Conv1d"):
        return
    for call in constructors(case, *(name for name in _NORMS if name.endswith(present))):
        new = called(call).removesuffix(present) + kinds[got]
        edit = case.edit()
        if isinstance(call.func, cst.Attribute):
            edit.swap(call.func, call.func.with_changes(attr=cst.Name(new)))
        elif isinstance(call.func, cst.Name):
            edit.swap(call.func, cst.Name(new)).importing(f"from torch.nn import {new}")
        yield (sure if got != 3 else likely)(edit, old=called(call), new=new)


@rewrite("set-num-features", "batchnorm-running-stats-size", grades=SURE)
def set_num_features(case: Case) -> Iterator[Proposal]:
    """Sets the num_features of a normalisation layer to the number of channels that arrive."""
    expected, got = case.number("expected"), case.number("got")
    size = case.shape("shape")
    if got is None and size is not None and len(size) > 1:
        got = size[1]
    if got is None or expected is None:
        return
    # The two numbers of the older and of the newer message stand in either order.
    for old, new in ((expected, got), (got, expected)):
        for call in sized(case, _NORMS, num_features=old):
            value = argument(call, "num_features")
            if value is not None and case.names.number(value) == old:
                yield sure(set_number(case, call, "num_features", new), old=old, number=new)


@rewrite("pad-small-input", "conv-kernel-too-large", grades=LIKELY)
def pad_small_input(case: Case) -> Iterator[Proposal]:
    """Adds padding to a convolution whose kernel is larger than its input."""
    kernel = case.shape("kernel")
    for conv in constructors(case, *_CONVS):
        value = argument(conv, "kernel_size")
        size = case.names.number(value) if value is not None else None
        if isinstance(size, int) and (kernel is None or size == kernel[0]):
            new = with_argument(case, conv, "padding", str(size // 2))
            yield likely(case.edit().swap(conv, new), number=size // 2)


@rewrite("pool-ceil-mode", "conv-kernel-too-large", grades=GUESS)
def pool_ceil_mode(case: Case) -> Iterator[Proposal]:
    """Lets a pooling layer keep the rest of an input that is smaller than its window."""
    for pool in constructors(case, *_POOLS):
        new = with_argument(case, pool, "ceil_mode", "True")
        yield guess(case.edit().swap(pool, new), layer=called(pool))
    for call in case.failing_calls(*(name for name in _FUNCTIONS if "pool" in name)):
        if "adaptive" not in called(call):
            new = with_argument(case, call, "ceil_mode", "True")
            yield guess(case.edit().swap(call, new), layer=called(call))


@rewrite("set-padding", "conv-arguments", grades=(Grade.SURE, Grade.LIKELY))
def set_padding(case: Case) -> Iterator[Proposal]:
    """Replaces a padding that the layer refuses by half of the kernel."""
    if "padding" not in case.message and "pad should be" not in case.message:
        return
    for call in constructors(case, *_CONVS, *_POOLS):
        value = argument(call, "padding")
        kernel = argument(call, "kernel_size")
        size = case.names.number(kernel) if kernel is not None else None
        if value is None or not isinstance(size, int):
            continue
        if "strided" in case.message and "same" not in case.text(value):
            continue
        new = with_argument(case, call, "padding", str(size // 2))
        grade = sure if "strided" in case.message else likely
        yield grade(case.edit().swap(call, new), number=size // 2)


@rewrite("trim-conv-sizes", "conv-arguments", grades=LIKELY)
def trim_conv_sizes(case: Case) -> Iterator[Proposal]:
    """Gives a convolution as many sizes as it has dimensions, and at least a stride of one."""
    for call in constructors(case, *_CONVS, *_POOLS):
        wanted = int(re.search(r"\d", called(call)).group())  # type: ignore[union-attr]
        for name in ("kernel_size", "stride", "padding", "dilation"):
            value = argument(call, name)
            if isinstance(value, cst.Tuple) and len(value.elements) != wanted:
                kept = [case.text(value.elements[0].value)] * wanted
                if len(value.elements) > wanted:
                    kept = [case.text(e.value) for e in value.elements[-wanted:]]
                text = f"({', '.join(kept)})" if wanted > 1 else kept[0]
                yield likely(case.edit().replace(value, text), name=name, value=text)
            elif name in {"stride", "dilation"} and value is not None:
                number = case.names.number(value)
                if number is not None and number < 1:
                    yield likely(case.edit().replace(value, "1"), name=name, value="1")


@rewrite("set-num-groups", "groups-divisible", grades=LIKELY)
def set_num_groups(case: Case) -> Iterator[Proposal]:
    """Takes the largest number of groups, up to the one wanted, that divides the channels."""
    for call in constructors(case, "GroupNorm", *_CONVS):
        names = ("num_groups", "num_channels") if called(call) == "GroupNorm" else ("groups", "")
        groups = argument(call, names[0])
        wanted = case.names.number(groups) if groups is not None else None
        sizes = [
            case.names.number(value)
            for name in (names[1:] if names[1] else ("in_channels", "out_channels"))
            if (value := argument(call, name)) is not None
        ]
        if groups is None or not isinstance(wanted, int) or not sizes or None in sizes:
            continue
        whole = [int(size) for size in sizes if size is not None]
        if wanted > 0 and any(size % wanted for size in whole):
            best = max(g for g in range(1, wanted + 1) if all(s % g == 0 for s in whole))
            yield likely(case.edit().replace(groups, str(best)), old=wanted, number=best)


@rewrite("pad-by-replicating", "padding-too-large", grades=GUESS)
def pad_by_replicating(case: Case) -> Iterator[Proposal]:
    """Pads by repeating the edge, which works for any width, in place of mirroring."""
    for call in case.failing_calls("pad"):
        mode = argument(call, "mode")
        if mode is not None and "reflect" in case.text(mode):
            yield guess(case.edit().replace(mode, '"replicate"'))
    for call in case.source.calls:
        if called(call).startswith("ReflectionPad") and isinstance(call.func, cst.Attribute):
            name = called(call).replace("Reflection", "Replication")
            edit = case.edit().swap(call.func, call.func.with_changes(attr=cst.Name(name)))
            yield guess(edit)
        elif (value := argument(call, "padding_mode")) and "reflect" in case.text(value):
            yield guess(case.edit().replace(value, '"replicate"'))


@rewrite("norm-over-channels", "layernorm-shape", grades=LIKELY)
def norm_over_channels(case: Case) -> Iterator[Proposal]:
    """Replaces a LayerNorm over the channels of images by a GroupNorm of one group."""
    normalized, size = case.shape("normalized"), case.shape("size")
    if not normalized or not size or len(size) < 3 or size[1] != normalized[0]:
        return
    for call in constructors(case, "LayerNorm"):
        value = argument(call, "normalized_shape")
        if value is not None and len(normalized) == 1:
            edit = case.edit().replace(call, f"{case.nn}.GroupNorm(1, {case.text(value)})")
            yield likely(edit, number=normalized[0])


@rewrite("set-normalized-shape", "layernorm-shape", grades=LIKELY)
def set_normalized_shape(case: Case) -> Iterator[Proposal]:
    """Sets the normalized_shape of a LayerNorm to the size of the last dimension that arrives."""
    normalized, size = case.shape("normalized"), case.shape("size")
    if not normalized or not size:
        return
    for call in constructors(case, "LayerNorm", "RMSNorm"):
        value = argument(call, "normalized_shape")
        if value is None:
            continue
        last = size[-len(normalized) :]
        if case.names.number(value) in (None, normalized[0]):
            text = str(last[0]) if len(last) == 1 else str(list(last))
            new = case.edit().swap(call, with_argument(case, call, "normalized_shape", text))
            yield likely(new, old=case.text(value), value=text)


@rewrite("match-skip-size", "cat-size-mismatch", grades=GUESS)
def match_skip_size(case: Case) -> Iterator[Proposal]:
    """Resizes one of two feature maps to the height and width of the other before joining them."""
    for call in case.failing_calls("cat", "concat"):
        tensors = argument(call, "tensors")
        if isinstance(tensors, cst.List | cst.Tuple) and len(tensors.elements) == 2:
            first, second = (element.value for element in tensors.elements)
            shape = case.shape_of(second)
            if shape is not None and len(shape) != 4:
                continue
            resized = (
                f"{case.functional}.interpolate("
                f"{case.text(second)}, size={case.atom(first)}.shape[-2:])"
            )
            yield guess(case.edit().replace(second, resized), what=case.text(second))
