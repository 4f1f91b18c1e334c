"""Silent pitfalls in what a network computes: activations, losses, layers, shapes.

Each check yields the slug of the entry that explains the pitfall, and the telling piece of code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from knowledge.syntax import Code, Function, called, core, dotted, keyword, number, returns

Finds = Iterator[tuple[str, ast.AST]]

_LOGIT_LOSSES: Final = {
    "softmax": (
        frozenset({"CrossEntropyLoss"}),
        frozenset({"cross_entropy"}),
        "silent-softmax-before-ce",
    ),
    "sigmoid": (
        frozenset({"BCEWithLogitsLoss"}),
        frozenset({"binary_cross_entropy_with_logits"}),
        "silent-sigmoid-before-bce-logits",
    ),
}
_LAYERS: Final = frozenset(
    """
    Linear Conv1d Conv2d Conv3d ConvTranspose2d Embedding LSTM GRU RNN BatchNorm1d BatchNorm2d
    LayerNorm Dropout MultiheadAttention Sequential TransformerEncoderLayer Parameter
    """.split()  # noqa: SIM905 -- a list of words reads better as words
)
_FILLED: Final = frozenset({"zeros", "ones", "randn", "rand", "empty", "full", "tensor"})
_OTHER_LOSSES: Final = re.compile(r"^(?:BCE\w*|MSE\w*|\w*L1Loss|binary_cross_\w+|mse_loss)$")
_NETWORK: Final = re.compile(r"(?:self\.)?(?:model|net|network|classifier|policy)\w*$")
_WHOLE_NUMBERS: Final = re.compile(r"label|target|index|indices|idx|\bids?$|_ids?$|class")


def activation_before_loss(code: Code) -> Finds:
    """Softmax before CrossEntropyLoss, sigmoid before BCEWithLogitsLoss."""
    for activation, (classes, functions, slug) in _LOGIT_LOSSES.items():
        losses = code.made_by(classes)
        calls = [call for call in code.calls if call.args and _is_loss(call, classes, functions)]
        calls += [call for call in code.calls if call.args and dotted(call.func) in losses]
        if not (calls or losses):
            continue
        activated = _activated(code, activation)
        for call in calls:
            if _applies(core(call.args[0]), activation, activated):
                yield slug, call
            fed = code.value_at(core(call.args[0]), call.lineno)
            if fed is not call.args[0] and _applies(fed, activation, activated):
                yield slug, call
        for values in _outputs(code):
            if values and all(_applies(value, activation, activated) for value in values):
                yield slug, values[0]
        for name, last in _last_layers(code):
            if not name.startswith("self.") and called(last) == activation.capitalize():
                yield slug, last


def _is_loss(call: ast.Call, classes: frozenset[str], functions: frozenset[str]) -> bool:
    return called(call) in functions or (
        isinstance(call.func, ast.Call) and called(call) in classes
    )


def _activated(code: Code, activation: str) -> frozenset[str]:
    """The names of modules whose output comes out of `activation`."""
    layer = activation.capitalize()
    ends = {name for name, last in _last_layers(code) if called(last) == layer}
    return frozenset({a.name for a in code.assignments if called(a.value) == layer} | ends)


def _last_layers(code: Code) -> Iterator[tuple[str, ast.AST]]:
    """The last layer of each Sequential, with the name that it is assigned to."""
    named = {id(a.value): a.name for a in code.assignments}
    for call in code.calls:
        if called(call) == "Sequential" and call.args:
            yield named.get(id(call), ""), call.args[-1]


def _applies(node: ast.AST, activation: str, activated: frozenset[str]) -> bool:
    node = core(node)
    if not isinstance(node, ast.Call):
        return False
    applied = isinstance(node.func, ast.Call) and called(node) == activation.capitalize()
    return applied or called(node) == activation or dotted(node.func) in activated


def _outputs(code: Code) -> Iterator[list[ast.AST]]:
    """What each network returns; with variables as their last values, and fragments too."""
    functions = [node for node in code.nodes if isinstance(node, Function)]
    if not functions:
        loose = [n.value for n in code.nodes if isinstance(n, ast.Return) and n.value]
        yield [code.value_at(core(value), value.lineno) for value in loose]
    for function in code.forwards:
        if not _depends_on_mode(function):
            yield [code.value_at(core(value), value.lineno) for value in returns(function)]


def _depends_on_mode(function: Function) -> bool:
    """Whether `function` gives probabilities only while it does not train."""
    return any(isinstance(n, ast.Attribute) and n.attr == "training" for n in ast.walk(function))


def loss_of_another_task(code: Code) -> Finds:
    """CrossEntropyLoss on a single output; NLLLoss on what is no log-probability."""
    if any(map(_OTHER_LOSSES.match, code.names)):
        return
    outputs = {id(last): last for _, last in _last_layers(code)}
    for values in _outputs(code):
        for value in values:
            if isinstance(value, ast.Call) and dotted(value.func).startswith("self."):
                layer = next(
                    (a.value for a in code.assignments if a.name == dotted(value.func)), None
                )
                if layer is not None and called(layer) == "Linear":
                    outputs[id(layer)] = layer
    if code.names & {"CrossEntropyLoss", "cross_entropy"} and len(outputs) == 1:
        for last in outputs.values():
            if (
                called(last) == "Linear"
                and isinstance(last, ast.Call)
                and len(last.args) > 1
                and number(last.args[1]) == 1
            ):
                yield "silent-wrong-loss", last
    if code.names & {"NLLLoss"} and not code.names & {"log_softmax", "LogSoftmax", "log"}:
        for last in outputs.values():
            if called(last) in ("Linear", "Softmax"):
                yield "silent-wrong-loss", last
    for call in code.calls:
        if called(call) == "nll_loss" and call.args and called(call.args[0]) == "softmax":
            yield "silent-wrong-loss", call


def softmax_over_the_batch(code: Code) -> Finds:
    """Softmax over dimension 0 of what a network gives for a batch."""
    for call in code.calls:
        if called(call) != "Sequential":
            continue
        if any(called(a) in _LAYERS for a in call.args) and _over_first(call.args[-1], "Softmax"):
            yield "silent-softmax-dim", call.args[-1]
    for function in code.forwards:
        for value in returns(function):
            if _over_first(code.value_at(value, value.lineno), "softmax"):
                yield "silent-softmax-dim", value
    for call in code.calls:
        if not _over_first(call, "softmax"):
            continue
        of_torch = isinstance(call.func, ast.Attribute) and dotted(call.func.value) in (
            "torch", "F", "nn.functional", "torch.nn.functional",
        )  # fmt: skip
        fed = call.args[0] if of_torch and call.args else None
        if fed is None and isinstance(call.func, ast.Attribute):
            fed = call.func.value
        source = code.value_at(fed, call.lineno) if fed is not None else None
        if isinstance(source, ast.Call) and _NETWORK.match(dotted(source.func)):
            yield "silent-softmax-dim", call


def _over_first(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call) or called(node) not in (name, f"log_{name}", f"Log{name}"):
        return False
    if isinstance(node.func, ast.Call):
        return _over_first(node.func, name)
    dim = keyword(node, "dim")
    if dim is None:
        places = node.args if name == "Softmax" else node.args[-1:]
        dim = places[0] if places else None
    return number(dim) == 0


def softmax_without_dimension(code: Code) -> Finds:
    """`F.softmax(x)` and `nn.Softmax()` guess the dimension, often the first one."""
    for call in code.calls:
        functional = called(call) == "softmax" and dotted(call.func).startswith(("F.", "nn.f"))
        layer = called(call) == "Softmax" and not isinstance(call.func, ast.Call)
        if len(call.args) == int(functional) and not call.keywords and (functional or layer):
            yield "silent-softmax-dim", call


def unregistered(code: Code) -> Finds:
    """Layers in a plain list or dictionary, trainable tensors as plain attributes of a module."""
    rescued = {"ModuleList", "ModuleDict", "ParameterList", "add_module", "register_module"}
    starred = {dotted(node.value) for node in code.nodes if isinstance(node, ast.Starred)}
    handed = {dotted(a) for call in code.calls if called(call) in rescued for a in call.args}
    safe = starred | handed
    if "add_module" in code.names or "register_module" in code.names:
        return
    for node in code.nodes:
        if not isinstance(node, ast.Assign) or not dotted(node.targets[0]).startswith("self."):
            continue
        if dotted(node.targets[0]) in safe:
            continue
        value = node.value
        items: list[ast.expr | None] = []
        if isinstance(value, ast.List | ast.Tuple):
            items = [*value.elts]
        elif isinstance(value, ast.ListComp):
            items = [value.elt]
        elif isinstance(value, ast.Dict):
            items = [*value.values]
        elif isinstance(value, ast.DictComp):
            items = [value.value]
        if any(called(item) in _LAYERS for item in items) or _is_trainable(value, code):
            yield "silent-not-registered", node
    empty = {a.name for a in code.assignments if isinstance(a.value, ast.List) and not a.value.elts}
    for call in code.calls:
        if called(call) == "append" and isinstance(call.func, ast.Attribute):
            name = dotted(call.func.value)
            layers = any(called(a) in _LAYERS for a in call.args)
            if name in empty - safe and name.startswith("self.") and layers:
                yield "silent-not-registered", call


def _is_trainable(value: ast.expr, code: Code) -> bool:
    """Whether `value` makes a trainable tensor that is no parameter, inside a module."""
    if not code.forwards or not isinstance(value, ast.Call) or called(value) not in _FILLED:
        return False
    wanted = keyword(value, "requires_grad")
    return isinstance(wanted, ast.Constant) and wanted.value is True


def dropout_always_on(code: Code) -> Finds:
    """`F.dropout(x, p)`: without `training=self.training` it is active in eval mode as well."""
    for call in code.calls:
        if called(call) in ("dropout", "dropout2d") and isinstance(call.func, ast.Attribute):
            functional = dotted(call.func.value).split(".")[-1] in ("F", "functional")
            if functional and len(call.args) < 3 and keyword(call, "training") is None:
                yield "silent-eval-mode", call


def view_as_permute(code: Code) -> Finds:
    """`x.view(b, w, h)` where x is (b, h, w): the same sizes in another order."""
    unpacked: dict[str, tuple[str, int, int]] = {}  # size name: tensor, place, line
    for node in code.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            tensor = _measured(node.value)
            for place, size in enumerate(node.targets[0].elts):
                if tensor and isinstance(size, ast.Name):
                    unpacked[size.id] = (tensor, place, node.lineno)
    for call in code.calls:
        if called(call) not in ("view", "reshape") or not isinstance(call.func, ast.Attribute):
            continue
        tensor, sizes = dotted(call.func.value), call.args
        if len(sizes) == 1 and isinstance(sizes[0], ast.Tuple):
            sizes = sizes[0].elts
        places = [_place(size, tensor, unpacked, code, call.lineno) for size in sizes]
        known = [place for place in places if place is not None]
        if len(places) > 1 and sorted(known) == list(range(len(places))) != places:
            yield "silent-reshape-as-permute", call
    pictures = {
        a.name
        for a in code.assignments
        if called(a.value) == "imread"
        or (called(a.value) in ("array", "asarray") and "Image.open" in ast.unparse(a.value))
    }
    for call in code.calls:
        if called(call) in ("view", "reshape") and isinstance(call.func, ast.Attribute):
            made = core(call.func.value)
            if called(made) not in ("from_numpy", "tensor", "as_tensor", "Tensor"):
                continue
            if (
                isinstance(made, ast.Call)
                and made.args
                and dotted(made.args[0]) in pictures
                and 3.0 in [number(size) for size in call.args[:-2]]
            ):
                yield "silent-reshape-as-permute", call


def _measured(value: ast.expr) -> str:
    """The tensor whose sizes `value` is: `x` for `x.shape` and `x.size()`."""
    if isinstance(value, ast.Call) and called(value) == "size" and not value.args:
        value = value.func
    if isinstance(value, ast.Attribute) and value.attr in ("shape", "size"):
        return dotted(value.value)
    return ""


def _place(
    size: ast.expr, tensor: str, unpacked: dict[str, tuple[str, int, int]], code: Code, line: int
) -> int | None:
    """Which dimension of `tensor` the expression `size` is the size of."""
    place: float | None = None
    if isinstance(size, ast.Call) and called(size) == "size" and len(size.args) == 1:
        if isinstance(size.func, ast.Attribute) and dotted(size.func.value) == tensor:
            place = number(size.args[0])
    elif isinstance(size, ast.Subscript) and _measured(size.value) == tensor:
        place = number(size.slice)
    elif isinstance(size, ast.Name) and size.id in unpacked:
        owner, found, since = unpacked[size.id]
        changed = any(a.name == tensor and since < a.line < line for a in code.assignments)
        place = found if owner == tensor and not changed else None
    return int(place) if place is not None and place >= 0 else None


def tensor_of_sizes(code: Code) -> Finds:
    """`torch.Tensor(5)` holds five numbers that nobody set; labels become floats."""
    for call in code.calls:
        if dotted(call.func) != "torch.Tensor" or len(call.args) != 1:
            continue
        lone = number(call.args[0]) is not None
        if lone or _WHOLE_NUMBERS.search(dotted(call.args[0]).lower()):
            yield "silent-tensor-vs-Tensor", call


def log_of_probabilities(code: Code) -> Finds:
    """`log(softmax(x))` is -inf for a probability that rounds to 0."""
    for call in code.calls:
        if (
            dotted(call.func) == "torch.log"
            and call.args
            and called(call.args[0]) in ("softmax", "sigmoid")
        ):
            yield "silent-nan-loss", call
