"""Rewrites of backward, in-place operations and gradients."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from bot.rewrites.arrays import is_loss_value
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
from bot.rewrites.layers import argument, with_argument
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find


@rewrite("mean-before-backward", "grad-non-scalar", grades=(Grade.LIKELY, Grade.GUESS))
def mean_before_backward(case: Case) -> Iterator[Proposal]:
    """Averages the losses to one number before backward."""
    for call in case.failing_calls("backward"):
        if isinstance(call.func, cst.Attribute) and not call.args:
            loss = call.func.value
            value = case.names.value(loss)
            for maker in find(value, cst.Call) if value is not None else ():
                reduction = argument(maker, "reduction")
                made = case.names.constructed(maker.func)
                if reduction is None and made is not None:
                    reduction = argument(made, "reduction")
                if reduction is not None and "none" in case.text(reduction):
                    edit = case.edit().replace(value or loss, f"{case.atom(value or loss)}.mean()")
                    yield likely(edit, what=case.text(loss))
            edit = case.edit().replace(loss, f"{case.atom(loss)}.mean()")
            yield (likely if is_loss_value(case, loss) else guess)(edit, what=case.text(loss))


@rewrite("sum-before-backward", "grad-non-scalar", grades=(Grade.LIKELY, Grade.GUESS))
def sum_before_backward(case: Case) -> Iterator[Proposal]:
    """Adds a result up before backward, which gives the gradient of each of its elements."""
    reads = any(node.attr.value == "grad" for node in find(case.source.module, cst.Attribute))
    for call in case.failing_calls("backward"):
        if isinstance(call.func, cst.Attribute) and not call.args:
            result = call.func.value
            edit = case.edit().replace(result, f"{case.atom(result)}.sum()")
            grade = likely if reads and not is_loss_value(case, result) else guess
            yield grade(edit, what=case.text(result))


@rewrite("keep-loss-tensor", "backward-non-tensor", "no-grad-fn", grades=SURE)
def keep_loss_tensor(case: Case) -> Iterator[Proposal]:
    """Keeps the loss a tensor: no .item(), .detach() or new tensor before backward."""
    for call in case.failing_calls("backward"):
        if not isinstance(call.func, cst.Attribute):
            continue
        value = case.names.value(call.func.value)
        inner = value
        while isinstance(inner, cst.Call | cst.Attribute):
            if isinstance(inner, cst.Attribute) and inner.attr.value == "data":
                inner = inner.value
            elif not isinstance(inner, cst.Call):
                break
            elif called(inner) in {"item", "detach", "numpy", "cpu", "tolist"}:
                inner = inner.func.value if isinstance(inner.func, cst.Attribute) else None
            elif called(inner) in {"float", "Variable"} and isinstance(inner.func, cst.Name):
                inner = inner.args[0].value
            elif called(inner) in {"tensor", "Tensor", "FloatTensor"} and inner.args:
                inner = inner.args[0].value
                if isinstance(inner, cst.List) and len(inner.elements) == 1:
                    inner = inner.elements[0].value
            else:
                break
        if value is not None and inner is not None and inner is not value:
            edit = case.edit().replace(value, case.text(inner))
            yield sure(edit, old=case.text(value), new=case.text(inner))


@rewrite("require-grad-of-leaf", "no-grad-fn", "grad-is-none", grades=(Grade.LIKELY, Grade.GUESS))
def require_grad_of_leaf(case: Case) -> Iterator[Proposal]:
    """Asks for gradients of the tensor that is to be optimised."""
    names = {
        dotted(node.value)
        for node in find(case.source.module, cst.Attribute)
        if node.attr.value == "grad" and dotted(node.value)
    }
    if case.slug == "no-grad-fn" and not names:
        for call in case.failing_calls("backward"):
            if isinstance(call.func, cst.Attribute):
                value = case.names.value(call.func.value)
                parts = find(value, cst.Name) if value is not None else []
                names |= {part.value for part in parts}
    for name in sorted(one for one in names if one):
        for bound in case.names.bindings.get(name, ())[:1]:
            value = bound.value
            if bound.loop or bound.item is not None or not isinstance(value, cst.Call):
                continue
            if "requires_grad" in case.text(value) or called(value)[:1].isupper():
                continue
            if any(
                called(call) == "detach" or case.names.constructed(call.func) is not None
                for call in find(value, cst.Call)
            ):
                continue
            if case.is_method(value):
                text = f"{case.atom(value)}.requires_grad_()"
                grade = guess
            else:
                comma = ", " if value.args else ""
                text = f"{case.text(value).rstrip()[:-1]}{comma}requires_grad=True)"
                grade = likely
            yield grade(case.edit().replace(value, text), what=name)


@rewrite("leave-no-grad", "no-grad-fn", "silent-no-gradient", grades=(Grade.SURE, Grade.LIKELY))
def leave_no_grad(case: Case) -> Iterator[Proposal]:
    """Takes the training step out of torch.no_grad()."""
    if case.statement is None:
        return
    for above in (case.statement, *case.source.ancestors(case.statement)):
        if isinstance(above, cst.FunctionDef):
            for decorator in above.decorators:
                if "no_grad" in case.text(decorator) or "inference_mode" in case.text(decorator):
                    yield likely(case.edit().remove(decorator), what=case.text(decorator.decorator))
    for block in find(case.source.module, cst.With):
        items = [i for i in block.items if called(i.item) in {"no_grad", "inference_mode"}]
        if len(items) == 1 and len(block.items) == 1 and isinstance(block.body, cst.IndentedBlock):
            if not _leads_to(case, block):
                continue
            yield sure(case.edit().unwrap(block), what=case.text(items[0].item))


def _leads_to(case: Case, block: cst.With) -> bool:
    """Whether what is computed in a block is what fails, or failing itself."""
    if case.statement is block or block in list(case.source.ancestors(case.statement or block)):
        return True
    bound = {
        name
        for name, bindings in case.names.bindings.items()
        for one in bindings
        if block in list(case.source.ancestors(one.statement))
    }
    for call in case.failing_calls("backward"):
        if isinstance(call.func, cst.Attribute):
            value = case.names.value(call.func.value)
            used = {dotted(n) for n in find(value, cst.Name)} if value is not None else set()
            if used & bound or dotted(call.func.value) in bound:
                return True
    return False


@rewrite("drop-detach", "silent-no-gradient", "no-grad-fn", grades=(Grade.LIKELY, Grade.GUESS))
def drop_detach(case: Case) -> Iterator[Proposal]:
    """Keeps the graph: no .detach() or .data between the layers and the loss."""
    for call in case.source.calls:
        if called(call) == "detach" and isinstance(call.func, cst.Attribute):
            above = case.source.parent(call)
            if isinstance(above, cst.Attribute) and above.attr.value in {"cpu", "numpy", "tolist"}:
                continue
            edit = case.edit().replace(call, case.text(call.func.value))
            grade = likely if case.slug == "silent-no-gradient" else guess
            yield grade(edit, what=case.text(call))


@rewrite("detach-for-numpy", "numpy-requires-grad", "cuda-tensor-to-numpy", grades=SURE)
def detach_for_numpy(case: Case) -> Iterator[Proposal]:
    """Takes a tensor out of the graph and to the CPU before NumPy reads it."""
    for call in case.failing_calls("numpy", "__array__"):
        if isinstance(call.func, cst.Attribute):
            inner = call.func.value
            while isinstance(inner, cst.Call) and called(inner) in {"cpu", "detach"}:
                inner = inner.func.value if isinstance(inner.func, cst.Attribute) else inner
            text = f"{case.atom(inner)}.detach().cpu().numpy()"
            yield sure(case.edit().replace(call, text), what=case.text(inner))
    for call in case.failing(cst.Call):
        if called(call) in {"numpy", "detach"} or "numpy" in case.text(call):
            continue
        for arg in call.args:
            if arg.star or isinstance(arg.value, cst.BaseNumber | cst.SimpleString | cst.List):
                continue
            if arg.keyword is None:
                text = f"{case.atom(arg.value)}.detach().cpu().numpy()"
                yield sure(case.edit().replace(arg.value, text), what=case.text(arg.value))


@rewrite("leaf-of-result", "optimize-non-leaf", "grad-is-none", grades=(Grade.SURE, Grade.LIKELY))
def leaf_of_result(case: Case) -> Iterator[Proposal]:
    """Asks for gradients of the tensor as it is used, after it was moved or scaled."""
    for bindings in case.names.bindings.values():
        for bound in bindings:
            for call in find(bound.value, cst.Call):
                flag = nth(call, 99, "requires_grad")
                if flag is None or call is bound.value or case.text(flag) != "True":
                    continue
                if called(bound.value)[:1].isupper():
                    continue
                plain = case.text(
                    call.with_changes(args=_ended([a for a in call.args if a.value is not flag]))
                )
                whole = case.text(bound.value).replace(case.text(call), plain, 1)
                tight = isinstance(bound.value, cst.Call | cst.Name | cst.Attribute | cst.Subscript)
                text = f"{whole}.requires_grad_()" if tight else f"({whole}).requires_grad_()"
                yield sure(case.edit().replace(bound.value, text), what=bound.name)
    if case.slug == "optimize-non-leaf":
        yield from _leaf_arguments(case)


def _ended(args: list[cst.Arg]) -> list[cst.Arg]:
    return [*args[:-1], args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if args else []


def _leaf_arguments(case: Case) -> Iterator[Proposal]:
    for lists in case.failing(cst.List):
        for element in lists.elements:
            bound = case.names.resolve(element.value)
            if bound is not None and bound.item is None and not bound.loop:
                text = f"{case.atom(bound.value)}.detach().requires_grad_()"
                yield likely(case.edit().replace(bound.value, text), what=bound.name)


@rewrite("detach-result", "requires-grad-non-leaf", grades=SURE)
def detach_result(case: Case) -> Iterator[Proposal]:
    """Cuts a result off with .detach() in place of changing its requires_grad."""
    for assign in case.failing(cst.Assign):
        target = assign.targets[0].target
        if isinstance(target, cst.Attribute) and target.attr.value == "requires_grad":
            name = case.text(target.value)
            text = f"{name} = {name}.detach()"
            if case.text(assign.value) == "True":
                text += ".requires_grad_()"
            if case.statement is not None:
                yield sure(case.edit().instead(case.statement, text), what=name)
    for call in case.failing_calls("requires_grad_"):
        if isinstance(call.func, cst.Attribute):
            text = f"{case.atom(call.func.value)}.detach()"
            yield sure(case.edit().replace(call, text), what=case.text(call.func.value))


@rewrite("retain-grad", "grad-is-none", grades=GUESS)
def retain_grad(case: Case) -> Iterator[Proposal]:
    """Keeps the gradient of an intermediate result with retain_grad()."""
    for node in case.failing(cst.Attribute):
        if node.attr.value == "grad":
            bound = case.names.resolve(node.value)
            if bound is not None and not bound.loop:
                name = case.text(node.value)
                yield guess(case.edit().after(bound.statement, f"{name}.retain_grad()"), what=name)


@rewrite("allow-unused", "unused-in-graph", grades=GUESS)
def allow_unused(case: Case) -> Iterator[Proposal]:
    """Lets autograd.grad answer None for a tensor that the result does not depend on."""
    for call in case.failing_calls("grad"):
        yield guess(case.edit().swap(call, with_argument(case, call, "allow_unused", "True")))


@rewrite("static-function", "legacy-autograd-function", grades=LIKELY)
def static_function(case: Case) -> Iterator[Proposal]:
    """Makes forward and backward static, with a ctx, and calls the function through apply."""
    edit, changed = case.edit(), False
    functions = [
        owner
        for owner in case.names.classes.values()
        if any(called(base.value) == "Function" for base in owner.bases)
    ]
    for owner in functions:
        for method in find(owner, cst.FunctionDef):
            if method.name.value not in {"forward", "backward"} or method.decorators:
                continue
            first = method.params.params[0]
            new = method.with_changes(
                decorators=[cst.Decorator(cst.Name("staticmethod"))],
                lines_after_decorators=(),
            )
            new = new.with_deep_changes(new.params.params[0].name, value="ctx")
            new = new.with_changes(body=_renamed(method.body, first.name.value))
            edit.swap(method, new)
            changed = True
        for call in case.source.calls:
            inner = call.func
            if isinstance(inner, cst.Call) and dotted(inner.func) == owner.name.value:
                edit.replace(inner, f"{owner.name.value}.apply")
                changed = True
            made = case.names.value(inner) if isinstance(inner, cst.Name) else None
            if isinstance(made, cst.Call) and dotted(made.func) == owner.name.value:
                edit.replace(inner, f"{owner.name.value}.apply")
                changed = True
    if changed:
        yield likely(edit)


def _renamed(body: cst.BaseSuite, old: str) -> cst.BaseSuite:
    class Renaming(cst.CSTTransformer):
        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
            return cst.Name("ctx") if original_node.value == old else updated_node

    new = body.visit(Renaming())
    return new if isinstance(new, cst.BaseSuite) else body


@rewrite("gradient-for-each-input", "custom-function-gradients", grades=(Grade.SURE, Grade.GUESS))
def gradient_for_each_input(case: Case) -> Iterator[Proposal]:
    """Returns None from backward for each input of forward that needs no gradient."""
    expected, got = case.number("expected"), case.number("got")
    if expected is None or got is None or expected <= got:
        return
    for owner in case.names.classes.values():
        for method in find(owner, cst.FunctionDef):
            if method.name.value != "backward":
                continue
            edit, changed = case.edit(), False
            for node in find(method, cst.Return):
                if node.value is not None:
                    nones = ", None" * (expected - got)
                    text = case.text(node.value).strip()
                    if isinstance(node.value, cst.Tuple) and node.value.lpar:
                        text = text[1:-1].rstrip(", ")
                    edit.replace(node.value, f"{text}{nones}")
                    changed = True
            if changed:
                plain = _takes_numbers(case, owner.name.value, expected - got)
                yield (sure if plain else guess)(edit, number=expected)


def _takes_numbers(case: Case, function: str, count: int) -> bool:
    """Whether the last inputs of a function, where it is applied, are plain values."""
    calls = [c for c in case.source.calls if dotted(c.func) == f"{function}.apply"]
    last = [arg.value for call in calls for arg in call.args[-count:]]
    return bool(last) and all(
        case.names.number(value) is not None
        or isinstance(value, cst.SimpleString)
        or case.text(value) in {"True", "False", "None"}
        for value in last
    )
