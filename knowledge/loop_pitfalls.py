"""Silent pitfalls in how a network is trained and used: loops, optimizers, schedulers, modes.

Each check yields the slug of the entry that explains the pitfall, and the telling piece of code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from knowledge.syntax import (
    Code,
    Loop,
    called,
    core,
    dotted,
    keyword,
    number,
    receiver,
    returns,
    within,
)

Finds = Iterator[tuple[str, ast.AST]]

_OPTIMIZERS: Final = frozenset(
    """
    SGD Adam AdamW Adamax NAdam RAdam Adagrad Adadelta RMSprop Rprop ASGD LBFGS SparseAdam
    """.split()  # noqa: SIM905 -- a list of words reads better as words
)
_OPTIMIZER: Final = re.compile(r"opt|solver|sgd|adam|scaler", re.IGNORECASE)
_LOSS_FUNCTION: Final = re.compile(
    r"(?:^|\.)(?:criterion\w*|crit\w*|ce|loss_f\w*|lossfn|\w*_loss|cross_entropy)$"
)
_EPOCH_SCHEDULERS: Final = frozenset({"MultiStepLR", "ReduceLROnPlateau", "ExponentialLR"})
_UPDATES_IN_AN_EPOCH: Final = 500
"""A StepLR with a longer step is taken to count batches on purpose."""

_MOODY: Final = frozenset({"Dropout", "Dropout2d", "dropout", "InstanceNorm2d"})
"""Layers that differ between training and evaluation, beside every BatchNorm."""

_NO_GRAD: Final = frozenset({"no_grad", "inference_mode", "set_grad_enabled"})


def _optimizers(code: Code) -> Iterator[tuple[str, ast.Call, int]]:
    """The optimizers that are made: name, call, line."""
    for assignment in code.assignments:
        if called(assignment.value) in _OPTIMIZERS and isinstance(assignment.value, ast.Call):
            yield assignment.name, assignment.value, assignment.line


def _schedulers(code: Code) -> frozenset[str]:
    makers = {called(a.value) for a in code.assignments}
    known = frozenset(m for m in makers if m.endswith("LR") or m in _EPOCH_SCHEDULERS)
    return code.made_by(known)


def _is_optimizer_step(call: ast.Call, optimizers: set[str], schedulers: frozenset[str]) -> bool:
    name = receiver(call)
    if called(call) != "step" or name in schedulers or "sched" in name.lower():
        return False
    return name in optimizers or bool(_OPTIMIZER.search(name.split(".")[-1]))


def _steps(code: Code, tree: ast.AST) -> list[ast.Call]:
    optimizers = {name for name, _, _ in _optimizers(code)}
    schedulers = _schedulers(code)
    return [c for c in within(tree) if _is_optimizer_step(c, optimizers, schedulers)]


def _methods(tree: ast.AST, name: str) -> list[ast.Call]:
    return [c for c in within(tree) if called(c) == name and isinstance(c.func, ast.Attribute)]


def zero_grad_missing(code: Code) -> Finds:
    """A loop with backward and step, and gradients that nobody clears."""
    if code.names & {"zero_grad", "zero_", "fused_step"}:
        return
    if any(a.name.endswith(".grad") for a in code.assignments):
        return
    for loop in code.loops:
        steps = _steps(code, loop)
        if steps and _methods(loop, "backward"):
            yield "silent-zero-grad-missing", steps[0]


def step_missing(code: Code) -> Finds:
    """A whole loop in which gradients are made and cleared, and never used."""
    if "step" in code.names or not any(_optimizers(code)) or "zero_grad" not in code.names:
        return
    for loop in code.loops:
        backward = _methods(loop, "backward")
        if backward:
            yield "silent-no-gradient", backward[0]


def cut_gradient(code: Code) -> Finds:
    """What the loss is computed from no longer hangs together with the weights."""
    backwards = {receiver(call) for call in code.calls if called(call) == "backward"} - {""}
    for call in code.calls:
        if (
            called(call) == "requires_grad_"
            and receiver(call) in backwards
            and not any(isinstance(a, ast.Constant) and a.value is False for a in call.args)
        ):
            yield "silent-no-gradient", call
    for assignment in code.assignments:
        owner, _, attribute = assignment.name.rpartition(".")
        if attribute == "requires_grad" and owner in backwards:
            yield "silent-no-gradient", assignment.value
        value = assignment.value
        if assignment.name not in backwards or not isinstance(value, ast.Call):
            continue
        wanted = keyword(value, "requires_grad")
        if (
            called(value) in ("tensor", "Variable")
            and isinstance(wanted, ast.Constant)
            and any(isinstance(n, ast.Name | ast.Call) for a in value.args for n in ast.walk(a))
        ):
            yield "silent-no-gradient", value
        if _LOSS_FUNCTION.search(dotted(value.func)) and value.args:
            fed = code.value_at(value.args[0], value.lineno - 1)
            if _cuts(fed) or _cuts(value.args[0]):
                yield "silent-no-gradient", value
    for function in code.forwards:
        if any(_named(d) & _NO_GRAD for d in function.decorator_list):
            continue
        values = returns(function)
        if values and all(_is_detached(value) for value in values):
            yield "silent-no-gradient", values[0]
        for call in within(function):
            if (
                called(call) in ("from_numpy", "tensor", "as_tensor")
                and call.args
                and _named(call.args[0]) & {"numpy", "tolist", "item"}
            ):
                yield "silent-no-gradient", call


def _named(tree: ast.AST) -> set[str]:
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def _cuts(node: ast.AST) -> bool:
    node = core(node)
    if called(node) in ("max", "torch.max"):
        return False
    return _is_detached(node) or called(node) in ("argmax", "item", "round")


def _is_detached(node: ast.AST) -> bool:
    node = core(node)
    data = isinstance(node, ast.Attribute) and node.attr == "data"
    return data or (called(node) == "detach" and isinstance(node, ast.Call))


def kept_graph(code: Code) -> Finds:
    """Losses that are summed up or collected with their graphs."""
    computed = {
        a.name
        for a in code.assignments
        if isinstance(a.value, ast.Call) and _LOSS_FUNCTION.search(dotted(a.value.func))
    }
    backwards = {receiver(call) for call in code.calls if called(call) == "backward"} - {""}
    graphless = bool(code.names & (_NO_GRAD | {"backward", "detach"}))
    for loop in code.loops:
        losses = {receiver(call) for call in _methods(loop, "backward")} - {""}
        collected = losses if graphless else losses | computed
        inside = list(ast.walk(loop))
        floats = {
            dotted(node.targets[0])
            for node in inside
            if isinstance(node, ast.Assign) and called(node.value) == "item"
        }
        summed = {dotted(node.target) for node in inside if isinstance(node, ast.AugAssign)}
        for node in inside:
            if (
                isinstance(node, ast.AugAssign)
                and isinstance(node.op, ast.Add)
                and dotted(node.value) in losses - floats
                and not summed & backwards
            ):
                yield "silent-memory-leak", node
            if (
                isinstance(node, ast.Call)
                and called(node) == "append"
                and node.args
                and dotted(node.args[0]) in collected - floats
            ):
                yield "silent-memory-leak", node


def clip_before_unscale(code: Code) -> Finds:
    """Gradients that are clipped while the scaler still has them multiplied."""
    if "unscale_" in code.names or "scale" not in code.names:
        return
    for call in code.calls:
        if called(call) in ("clip_grad_norm_", "clip_grad_value_"):
            yield "silent-amp-clip", call


def eval_never_left(code: Code) -> Finds:
    """An epoch loop that trains and switches to eval mode, and never back."""
    for loop in code.loops:
        evals = [call for call in _methods(loop, "eval") if not call.args]
        modes = _named(loop) & {"train", "training"}
        if evals and _methods(loop, "backward") and not modes:
            yield "silent-eval-mode", evals[0]


def eval_missing(code: Code) -> Finds:
    """A network with dropout or batch norm (or unseen layers) used in training mode."""
    if code.names & {"eval", "training"} or "train" in _called_false(code):
        return
    moody = any(name in _MOODY or name.startswith("BatchNorm") for name in code.names)
    if not moody and code.names & {"Linear", "Conv2d", "Sequential", "Embedding"}:
        return
    optimizers = {name for name, _, _ in _optimizers(code)}
    loaded = {receiver(c) for c in code.calls if called(c) == "load_state_dict"} - optimizers
    loaded = {name for name in loaded if name and not _OPTIMIZER.search(name)}
    if not code.names & {"backward", "train", "fit", "Trainer"}:
        free = [
            id(call) for node in code.nodes if _without_gradients(node) for call in within(node)
        ]
        built = code.made_by(frozenset({"Sequential"})) if moody else frozenset()
        for call in code.calls:
            name = dotted(call.func)
            if name in loaded or (name in built and id(call) in free):
                yield "silent-eval-mode", call
    trained = {
        receiver(c)
        for _, made, _ in _optimizers(code)
        for c in within(made)
        if called(c) == "parameters"
    }
    for loop in code.loops:
        around = [n for n in code.nodes if _without_gradients(n) and loop in ast.walk(n)]
        free_loop = bool(around) or any(map(_without_gradients, ast.walk(loop)))
        if free_loop and not _methods(loop, "backward"):
            for call in within(loop):
                if dotted(call.func) in trained:
                    yield "silent-eval-mode", call


def _without_gradients(node: ast.AST) -> bool:
    """Whether `node` is a `with torch.no_grad():` block."""
    return isinstance(node, ast.With) and any(
        _named(item.context_expr) & _NO_GRAD for item in node.items
    )


def _called_false(code: Code) -> set[str]:
    """The methods that are called with False: `model.train(False)`."""
    return {
        called(call)
        for call in code.calls
        if len(call.args) == 1
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value is False
    }


def shuffle_missing(code: Code) -> Finds:
    """A loader of training data in fixed order."""
    if "IterableDataset" in code.names:
        return
    loaders = [
        a.value
        for a in code.assignments
        if isinstance(a.value, ast.Call)
        and a.value.args
        and ("train" in a.name.lower() or "train" in dotted(a.value.args[0]).lower())
    ]
    loaders += [
        loop.iter
        for loop in code.loops
        if isinstance(loop, ast.For)
        and isinstance(loop.iter, ast.Call)
        and _methods(loop, "backward")
    ]
    for call in loaders:
        if called(call) != "DataLoader" or len(call.args) > 2:
            continue
        shuffle = keyword(call, "shuffle")
        fixed = shuffle is None or (isinstance(shuffle, ast.Constant) and shuffle.value is False)
        if fixed and not {k.arg for k in call.keywords} & {None, "sampler", "batch_sampler"}:
            yield "silent-no-shuffle", call


def parameters_left_out(code: Code) -> Finds:
    """A layer or a network that is replaced after the optimizer has taken its parameters."""
    made = list(_optimizers(code))
    lines = [line for _, _, line in made]
    for _, call, line in made:
        owners = {receiver(c) for c in within(call) if called(c) == "parameters"} - {""}
        for assignment in code.assignments:
            if assignment.line <= line or any(line < other for other in lines):
                continue
            owner = assignment.name.rpartition(".")[0]
            value = assignment.value
            if not isinstance(value, ast.Call) or _mentions(value, owners | {owner}):
                continue
            maker = called(value)
            layer = maker in ("Linear", "Conv2d", "Embedding", "Sequential", "Parameter")
            anew = assignment.name in owners and maker[:1].isupper()
            if (
                (layer and any(owner == o or owner.startswith(f"{o}.") for o in owners)) or anew
            ) and "add_param_group" not in code.names:
                yield "silent-params-not-in-optimizer", value


def _mentions(value: ast.Call, names: set[str]) -> bool:
    """Whether `value` is made of one of `names`: `DataParallel(model)` is the same network."""
    arguments = [*value.args, *(k.value for k in value.keywords)]
    return any(dotted(argument) in names for argument in arguments)


def scheduler_before_optimizer(code: Code) -> Finds:
    """`scheduler.step()` above `optimizer.step()` in one loop: the first rate is left out."""
    schedulers = _schedulers(code)
    for loop in code.loops:
        steps = _steps(code, loop)
        rates = [c for c in _methods(loop, "step") if receiver(c) in schedulers]
        if steps and rates and min(c.lineno for c in rates) < min(c.lineno for c in steps):
            yield "scheduler-before-optimizer", rates[0]


def scheduler_per_batch(code: Code) -> Finds:
    """A scheduler that counts epochs, stepped after each batch."""
    counting = {
        a.name
        for a in code.assignments
        if called(a.value) in _EPOCH_SCHEDULERS
        or (called(a.value) == "StepLR" and _step_size(a.value) < _UPDATES_IN_AN_EPOCH)
    }
    for outer in code.loops:
        for inner in ast.walk(outer):
            if inner is outer or not isinstance(inner, Loop):
                continue
            if not _methods(inner, "backward") and not _steps(code, inner):
                continue
            for call in _methods(inner, "step"):
                if receiver(call) in counting:
                    yield "silent-scheduler-per-batch", call


def _step_size(value: ast.expr) -> float:
    if not isinstance(value, ast.Call):
        return 0.0
    size = keyword(value, "step_size") or (value.args[1] if len(value.args) > 1 else None)
    return number(size) or float(_UPDATES_IN_AN_EPOCH)


def accumulation_tail(code: Code) -> Finds:
    """`if (i + 1) % k == 0: step()`: what is left after the last full group is lost."""
    for loop in code.loops:
        backward = _methods(loop, "backward")
        for node in loop.body:
            if not isinstance(node, ast.If) or not backward or node.orelse:
                continue
            test = node.test
            if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.BinOp):
                continue
            steps = _steps(code, node)
            last = getattr(loop, "end_lineno", 0)
            tail = [c for tree in code.trees for c in _steps(code, tree) if c.lineno > last]
            if isinstance(test.left.op, ast.Mod) and steps and not tail:
                yield "silent-accumulation-tail", node.test


def huge_learning_rate(code: Code) -> Finds:
    """Rates at which these optimizers jump about or blow up."""
    for _, call, _ in _optimizers(code):
        rate = number(keyword(call, "lr")) or 0.0
        adam = "Adam" in called(call)
        if adam and 0.3 <= rate < 1:
            yield "silent-loss-not-decreasing", call
        if rate >= (1 if adam else 10):
            yield "silent-nan-loss", call
