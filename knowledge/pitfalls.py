"""Silent pitfalls that can be seen in a learner's code without running it.

Only what is sure enough is reported; code that does not parse even without its broken lines yields
nothing.
"""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CODE: Final = 20_000
"""Longer code is not looked at, in characters."""

_MAX_REPAIRS = 12
_LOGIT_LOSSES: Final = {
    "softmax": ({"CrossEntropyLoss"}, {"cross_entropy"}, "silent-softmax-before-ce"),
    "sigmoid": (
        {"BCEWithLogitsLoss"},
        {"binary_cross_entropy_with_logits"},
        "silent-sigmoid-before-bce-logits",
    ),
}
_LAYERS: Final = frozenset(
    """
    Linear Conv1d Conv2d Conv3d ConvTranspose2d Embedding LSTM GRU RNN BatchNorm1d BatchNorm2d
    LayerNorm Dropout MultiheadAttention Sequential TransformerEncoderLayer Parameter
    """.split()  # noqa: SIM905 -- a list of words reads better as words
)
_RESHAPES: Final = frozenset(
    {"flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose"}
    | {"float", "to", "contiguous", "mean"}
)


@dataclass(frozen=True)
class Pitfall:
    """A pitfall seen in code: the slug of the entry that explains it, and the telling line."""

    slug: str
    code: str


def find_pitfalls(blocks: Sequence[str]) -> tuple[Pitfall, ...]:
    """The pitfalls in the code of one post, each slug once. Never raises."""
    source = "\n".join(blocks)
    if len(source) > MAX_CODE:
        return ()
    try:
        return _pitfalls(blocks, source)
    except RecursionError:  # code nested so deeply that nobody wrote it by hand
        return ()


def _pitfalls(blocks: Sequence[str], source: str) -> tuple[Pitfall, ...]:
    trees = [tree for block in blocks if (tree := _parsed(block)) is not None]
    found: dict[str, Pitfall] = {}
    nodes = [node for tree in trees for node in ast.walk(tree)]
    for slug, node in (
        *_activation_before_loss(nodes),
        *_missing_zero_grad(nodes, source),
        *_plain_list_of_layers(nodes),
        *_kept_graph(nodes),
        *_clip_before_unscale(nodes, source),
    ):
        found.setdefault(slug, Pitfall(slug, ast.unparse(node).split("\n", 1)[0][:200]))
    return tuple(found.values())


def _parsed(block: str) -> ast.Module | None:
    lines = textwrap.dedent(block).expandtabs(4).split("\n")
    for _ in range(_MAX_REPAIRS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse("\n".join(lines))
        except SyntaxError as error:
            broken = min(max((error.lineno or 1) - 1, 0), len(lines) - 1)
            if isinstance(error, IndentationError) and "expected an indented" in str(error.msg):
                indent = len(lines[broken - 1]) - len(lines[broken - 1].lstrip())
                lines.insert(broken, " " * (indent + 4) + "pass")
                continue
            text = lines[broken]
            if text.strip() in ("", "pass"):
                return None
            lines[broken] = text[: len(text) - len(text.lstrip())] + "pass"
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


_Hits = Iterator[tuple[str, ast.AST]]


def _called(node: ast.AST) -> str:
    """The last name of what a call calls: `softmax` for `F.softmax(x)` and `x.softmax(1)`."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    if isinstance(node.func, ast.Name):
        return node.func.id
    return _called(node.func)  # nn.Softmax(dim=1)(x)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""


def _core(node: ast.AST) -> ast.AST:
    """`node` without reshaping calls around it: `p` for `p.flatten(0, 1)`."""
    while isinstance(node, ast.Call) and _called(node) in _RESHAPES:
        inner = node.func
        if not isinstance(inner, ast.Attribute) or _dotted(inner.value) in ("torch", "F"):
            break
        node = inner.value
    return node


def _assignments(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.expr, int]]:
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and _dotted(node.targets[0]):
            yield _dotted(node.targets[0]), node.value, node.lineno


def _activation_before_loss(nodes: Sequence[ast.AST]) -> _Hits:
    assigned = list(_assignments(nodes))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for activation, (classes, functions, slug) in _LOGIT_LOSSES.items():
        makers = {activation.capitalize()}
        modules = {name for name, value, _ in assigned if _called(value) in makers}
        losses = {name for name, value, _ in assigned if _called(value) in classes}

        def applies(
            node: ast.AST, activation: str = activation, modules: set[str] = modules
        ) -> bool:
            node = _core(node)
            return isinstance(node, ast.Call) and (
                _called(node) == activation
                or _dotted(node.func) in modules
                or (isinstance(node.func, ast.Call) and _called(node) == activation.capitalize())
            )

        loss_calls = [
            call
            for call in calls
            if call.args
            and (
                _called(call) in functions
                or _dotted(call.func) in losses
                or (isinstance(call.func, ast.Call) and _called(call) in classes)
            )
        ]
        for call in loss_calls:
            fed = _core(call.args[0])
            if applies(fed):
                yield slug, call
            name = _dotted(fed)
            before = [(line, value) for n, value, line in assigned if n == name]
            earlier = [value for line, value in before if line <= call.lineno]
            if name and earlier and applies(earlier[-1]):
                yield slug, call
        used = bool(loss_calls or losses)
        for node in nodes:
            if used and isinstance(node, ast.Return) and node.value and applies(node.value):
                yield slug, node
            ends = isinstance(node, ast.Call) and _called(node) == "Sequential" and node.args
            if used and ends and isinstance(node, ast.Call) and _called(node.args[-1]) in makers:
                yield slug, node.args[-1]


def _loops(nodes: Sequence[ast.AST]) -> Iterator[ast.For | ast.While]:
    for node in nodes:
        if isinstance(node, ast.For | ast.While):
            yield node


def _missing_zero_grad(nodes: Sequence[ast.AST], source: str) -> _Hits:
    if any(word in source for word in ("zero_grad", ".grad = None", "grad.zero_", "fused_step")):
        return
    for loop in _loops(nodes):
        inside = [node for node in ast.walk(loop) if isinstance(node, ast.Call)]
        methods = {node.func.attr for node in inside if isinstance(node.func, ast.Attribute)}
        steps = [
            node
            for node in inside
            if isinstance(node.func, ast.Attribute)
            and node.func.attr == "step"
            and "sched" not in _dotted(node.func.value).lower()
        ]
        if "backward" in methods and steps:
            yield "silent-zero-grad-missing", steps[0]


def _makes_layer(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _called(node) in _LAYERS


def _plain_list_of_layers(nodes: Sequence[ast.AST]) -> _Hits:
    for node in nodes:
        if isinstance(node, ast.Assign) and _dotted(node.targets[0]).startswith("self."):
            value = node.value
            if isinstance(value, ast.List | ast.Tuple) and any(map(_makes_layer, value.elts)):
                yield "silent-not-registered", node
            if isinstance(value, ast.ListComp) and _makes_layer(value.elt):
                yield "silent-not-registered", node
            if isinstance(value, ast.Dict) and any(_makes_layer(v) for v in value.values):
                yield "silent-not-registered", node
    empty = {
        _dotted(node.targets[0])
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and not node.value.elts
    }
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "append"
            and _dotted(node.func.value) in empty
            and _dotted(node.func.value).startswith("self.")
            and any(map(_makes_layer, node.args))
        ):
            yield "silent-not-registered", node


def _kept_graph(nodes: Sequence[ast.AST]) -> _Hits:
    """Losses that are summed up or collected with their graphs."""
    for loop in _loops(nodes):
        inside = list(ast.walk(loop))
        losses = {
            _dotted(node.func.value)
            for node in inside
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "backward"
        } - {""}
        summed = {_dotted(node.target) for node in inside if isinstance(node, ast.AugAssign)}
        for node in inside:
            if (
                isinstance(node, ast.AugAssign)
                and isinstance(node.op, ast.Add)
                and _dotted(node.value) in losses
                and not (summed & losses)
            ):
                yield "silent-memory-leak", node
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "append"
                and node.args
                and _dotted(node.args[0]) in losses
            ):
                yield "silent-memory-leak", node


def _clip_before_unscale(nodes: Sequence[ast.AST], source: str) -> _Hits:
    if "unscale_" in source or ".scale(" not in source:
        return
    for node in nodes:
        if _called(node) in ("clip_grad_norm_", "clip_grad_value_"):
            yield "silent-amp-clip", node
