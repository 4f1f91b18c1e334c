"""Which input a module or a loss of a snippet takes, read off its text and the posted message."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.program import Layer, ModuleClass, Program, dotted, last_name, whole_number

BATCH: Final = 4
_STEPS: Final = 5
_SIDES: Final = (28, 32, 64, 96, 128, 224, 16, 8)
_MOST_ELEMENTS: Final = 4_000_000
_DEEPEST: Final = 6

_DTYPES: Final = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "byte": "uint8",
    "bool": "bool",
}
_CLASS_LOSSES: Final = {"CrossEntropyLoss", "cross_entropy", "NLLLoss", "nll_loss"}
_BINARY_LOSSES: Final = {
    "BCELoss",
    "binary_cross_entropy",
    "BCEWithLogitsLoss",
    "binary_cross_entropy_with_logits",
}
_DISTANCES: Final = {
    "MSELoss",
    "mse_loss",
    "L1Loss",
    "l1_loss",
    "SmoothL1Loss",
    "smooth_l1_loss",
    "HuberLoss",
    "huber_loss",
}
_RECURRENT: Final = {"LSTM", "GRU", "RNN"}
_CELLS: Final = {"LSTMCell", "GRUCell", "RNNCell"}
_CONVOLUTIONS: Final = {
    "Conv1d": (16,),
    "Conv2d": (),
    "Conv3d": (8, 16, 16),
    "ConvTranspose1d": (8,),
    "ConvTranspose2d": (8, 8),
    "ConvTranspose3d": (4, 8, 8),
}
_NORMS: Final = {"BatchNorm1d": (), "BatchNorm2d": (8, 8), "BatchNorm3d": (4, 8, 8)}


@dataclass(frozen=True)
class Wanted:
    """A tensor that fits: its shape, its dtype, and for numbers of classes what they stay below."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    below: int | None = None

    def expression(self) -> str:
        """Python that makes it."""
        if self.below is not None:
            drawn = f"torch.randint(0, {self.below}, {self.shape})"
            return drawn if self.dtype == "int64" else f"{drawn}.to(torch.{self.dtype})"
        sizes = ", ".join(map(str, self.shape))
        if self.dtype == "float32":
            return f"torch.randn({sizes})"
        return f"torch.randn({sizes}).to(torch.{self.dtype})"

    def __str__(self) -> str:
        """`float32 [4, 784]`, as a learner reads it."""
        values = f" < {self.below}" if self.below is not None else ""
        return f"{self.dtype} {list(self.shape)}{values}"


@dataclass(frozen=True)
class Posted:
    """What the posted message tells about the real data: the entry, and the message's slots."""

    slug: str | None
    slots: Mapping[str, int | float | str]

    def number(self, name: str) -> int | None:
        """A slot as an integer of a sane size."""
        value = self.slots.get(name)
        return value if isinstance(value, int) and 0 <= value <= 1 << 24 else None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A slot as a shape of a sane size; None where it is none."""
        sizes = tuple(map(int, re.findall(r"\d+", str(self.slots.get(name, "")))[:6]))
        return sizes if sizes and math.prod(sizes) <= _MOST_ELEMENTS else None

    def dtype(self, name: str) -> str | None:
        """A slot such as `Double` or `torch.DoubleTensor` as a dtype of torch."""
        word = str(self.slots.get(name, "")).rpartition(".")[2].removesuffix("Tensor").lower()
        return _DTYPES.get(word, word if word in _DTYPES.values() else None)


class Guesser:
    """Finds an input for the modules and losses of one program."""

    def __init__(self, program: Program, posted: Posted) -> None:
        self._program = program
        self._posted = posted

    def used_as(self, name: str) -> Wanted | None:
        """What the variable `name` has to be, by the first call that takes it and tells."""
        for node in _in_order(self._program.tree):
            if not isinstance(node, ast.Call):
                continue
            for position, argument in enumerate(node.args):
                if _is_about(argument, name):
                    wanted = self._argument(node, position)
                    if wanted is not None:
                        return wanted
        return None

    def _argument(self, call: ast.Call, position: int) -> Wanted | None:
        """What a call takes at a place."""
        kind = last_name(call.func)
        made = self._program.layer(call.func) if not isinstance(call.func, ast.Attribute) else None
        loss = made.kind if made is not None else kind
        if loss in _CLASS_LOSSES | _BINARY_LOSSES | _DISTANCES:
            return self._for_loss(loss, call, position)
        if made is None:
            return None
        return self._fitted(self.input_of(made, position), made)

    # --- Modules ----------------------------------------------------------------------------------

    def input_of(self, layer: Layer, position: int = 0, depth: int = 0) -> Wanted | None:
        """What a module takes as its argument number `position`."""
        kind = layer.kind
        if depth > _DEEPEST:
            return None
        if kind in self._program.classes:
            return self._of_class(layer, self._program.classes[kind], position, depth)
        if kind == "Sequential":
            chain = self._chain(layer)
            first = (self.input_of(each, 0, depth + 1) for each in chain)
            found = next(filter(None, first), None)
            return self._with_side(found, chain)
        if kind in _CONVOLUTIONS:
            channels = layer.number(0, "in_channels")
            sides = _CONVOLUTIONS[kind] or ((28, 28) if channels == 1 else (32, 32))
            return Wanted((BATCH, channels, *sides)) if channels else None
        if kind in _NORMS:
            features = layer.number(0, "num_features")
            return Wanted((BATCH, features, *_NORMS[kind])) if features else None
        if kind in {"Embedding", "EmbeddingBag"}:
            rows = layer.number(0, "num_embeddings")
            return Wanted((BATCH, 7), "int64", rows) if rows else None
        return self._of_features(layer)

    def _of_features(self, layer: Layer) -> Wanted | None:
        kind = layer.kind
        keywords = {
            "Linear": "in_features",
            "LayerNorm": "normalized_shape",
            "MultiheadAttention": "embed_dim",
            "TransformerEncoderLayer": "d_model",
            **dict.fromkeys(_RECURRENT | _CELLS, "input_size"),
        }
        if kind == "TransformerEncoder" and layer.call.args:
            inner = self._program.layer(layer.call.args[0], layer.numbers)
            return self._of_features(inner) if inner is not None else None
        features = layer.number(0, keywords[kind]) if kind in keywords else None
        if not features:
            return None
        if kind in {"Linear", "LayerNorm"} | _CELLS:
            return Wanted((BATCH, features))
        both = (BATCH, _STEPS) if layer.says("batch_first") else (_STEPS, BATCH)
        return Wanted((*both, features))

    def _of_class(
        self, layer: Layer, made: ModuleClass, position: int, depth: int
    ) -> Wanted | None:
        """Follow an argument through `forward` to the first layer that tells what it takes."""
        if made.forward is None or position + 1 >= len(made.forward.args.args):
            return None
        members = self._program.members(layer)
        names = {made.forward.args.args[position + 1].arg}
        found: Wanted | None = None
        for node in _in_order(made.forward):
            if isinstance(node, ast.Assign) and _mentions(node.value, names):
                names |= {e.id for e in ast.walk(node.targets[0]) if isinstance(e, ast.Name)}
            if found is not None or not isinstance(node, ast.Call):
                continue
            member = members.get(dotted(node.func).removeprefix("self."))
            if member is not None:
                for place, argument in enumerate(node.args):
                    if found is None and _mentions(argument, names):
                        found = self.input_of(member, place, depth + 1)
        return self._with_side(found, self._chain(layer))

    def _chain(self, layer: Layer) -> list[Layer]:
        """The layers that data meets, in order, nested Sequentials opened."""
        if layer.kind == "Sequential":
            made = [self._program.layer(each, layer.numbers) for each in layer.call.args]
            return [inner for each in made if each for inner in self._chain(each)]
        own = self._program.classes.get(layer.kind)
        if own is None or own.forward is None:
            return [layer]
        members, chain = self._program.members(layer), []
        for node in _in_order(own.forward):
            if isinstance(node, ast.Call):
                member = members.get(dotted(node.func).removeprefix("self."))
                if member is not None and member.kind != layer.kind:
                    chain += self._chain(member)
                elif last_name(node.func) in {"max_pool2d", "avg_pool2d"} and len(node.args) > 1:
                    pool = ast.Call(node.func, node.args[1:], node.keywords)
                    chain.append(Layer("MaxPool2d", pool, layer.numbers))
        return chain

    def _with_side(self, wanted: Wanted | None, chain: Sequence[Layer]) -> Wanted | None:
        """An image of the size with which the features fit the first Linear layer."""
        if wanted is None or len(wanted.shape) != 4 or not any(c.kind == "Conv2d" for c in chain):
            return wanted
        told = self._posted.number("cols") if self._posted.slug == "matmul-shape-mismatch" else None
        for side in _SIDES:
            if _features_after(chain, side, told):
                return replace(wanted, shape=(*wanted.shape[:2], side, side))
        return wanted

    def _fitted(self, wanted: Wanted | None, layer: Layer) -> Wanted | None:
        """The input as the posted message describes it, where it does: that is what failed."""
        posted = self._posted
        if wanted is None:
            return None
        rows, cols = posted.number("rows"), posted.number("cols")
        if posted.slug == "matmul-shape-mismatch" and rows and cols:
            first = next(iter(self._chain(layer)), layer)
            if first.kind == "Linear" and first.number(0, "in_features") == posted.number(
                "in_features"
            ):
                return replace(wanted, shape=(min(rows, _MOST_ELEMENTS // cols or 1), cols))
        size = posted.shape("size")
        if size and posted.slug in {"conv-channel-mismatch", "conv-input-dims", "layernorm-shape"}:
            return replace(wanted, shape=size)
        got = posted.number("got")
        if posted.slug == "rnn-input-size" and got:
            return replace(wanted, shape=(*wanted.shape[:-1], got))
        for slug, slot in (("dtype-mismatch", "input"), ("embedding-index-dtype", "got")):
            dtype = posted.dtype(slot)
            if posted.slug == slug and dtype:
                return replace(wanted, dtype=dtype)
        return wanted

    # --- Losses -----------------------------------------------------------------------------------

    def _for_loss(self, loss: str, call: ast.Call, position: int) -> Wanted | None:
        output = self._output(call.args[0])
        batch, features = output or (BATCH, 10 if loss in _CLASS_LOSSES else 1)
        if position == 0:
            return Wanted((batch, features))
        if position != 1:
            return None
        if loss in _CLASS_LOSSES:
            target = Wanted((batch,), "int64", features)
        elif loss in _BINARY_LOSSES:
            target = Wanted((batch, features), "float32", 2)
        else:
            target = Wanted((batch, features))
        return self._posted_target(target)

    def _posted_target(self, target: Wanted) -> Wanted:
        posted = self._posted
        dtype = posted.dtype("got")
        if posted.slug in {"target-dtype-not-long", "loss-target-dtype-float"} and dtype:
            return replace(target, dtype=dtype)
        count = posted.number("targets")
        if posted.slug == "loss-batch-mismatch" and count:
            return replace(target, shape=(count, *target.shape[1:]))
        shape = posted.shape("target")
        if posted.slug == "bce-target-size" and shape:
            return replace(target, shape=shape)
        return target

    def _output(self, node: ast.expr) -> tuple[int, int] | None:
        """Batch and features of a model's output that is handed to a loss."""
        if isinstance(node, ast.Name):
            node = self._program.assigned.get(node.id, node)
        if not isinstance(node, ast.Call):
            return None
        made = self._program.layer(node.func)
        if made is None or not node.args:
            return None
        last = [each for each in self._chain(made) if each.kind == "Linear"]
        features = last[-1].number(1, "out_features") if last else None
        return (BATCH, features) if features else None


def _features_after(chain: Sequence[Layer], side: int, told: int | None) -> bool:
    """Whether an image of `side` comes to the first Linear with the features it takes.

    `told` is the number of features that really came, where a message says it.
    """
    channels = 0
    for layer in chain:
        kernel = layer.number(2 if layer.kind == "Conv2d" else 0, "kernel_size")
        if layer.kind == "Conv2d" and kernel:
            channels = layer.number(1, "out_channels") or 0
            stride, padding = layer.number(3, "stride") or 1, layer.number(4, "padding") or 0
            side = (side + 2 * padding - kernel) // stride + 1
        elif layer.kind in {"MaxPool2d", "AvgPool2d"} and kernel:
            stride, padding = layer.number(1, "stride") or kernel, layer.number(2, "padding") or 0
            side = (side + 2 * padding - kernel) // stride + 1
        elif layer.kind.startswith("Adaptive"):
            side = _adaptive_side(layer) or side
        elif layer.kind == "Linear":
            wanted = layer.number(0, "in_features") if told is None else told
            return wanted in {channels * side * side, channels * side, side}
        if side <= 0:
            return False
    return False


def _adaptive_side(layer: Layer) -> int | None:
    if not layer.call.args:
        return None
    size = layer.call.args[0]
    if isinstance(size, ast.Tuple) and size.elts:
        size = size.elts[0]
    return whole_number(size, layer.numbers)


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, as Python comes to them: arguments before the call that takes them."""
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)
    yield node


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _is_about(node: ast.expr, name: str) -> bool:
    """Whether an argument is the variable itself, seen through `.to(device)` and the like."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return isinstance(node, ast.Name) and node.id == name
