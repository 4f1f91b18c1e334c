"""Rewrites of the learner's own classes: constructors, forward, registered layers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import SURE, Case, Grade, Proposal, rewrite, sure
from bot.rewrites.source import Statement, called, dotted, find

_SPECIAL: Final = (
    "__init__",
    "__len__",
    "__getitem__",
    "__iter__",
    "__call__",
    "forward",
)


def _methods(owner: cst.ClassDef) -> list[cst.FunctionDef]:
    return [node for node in owner.body.body if isinstance(node, cst.FunctionDef)]


def _is_module(case: Case, owner: cst.ClassDef) -> bool:
    bases = [called(base.value) for base in owner.bases]
    return any(base.endswith("Module") or base in case.names.classes for base in bases)


def _first_statement(function: cst.FunctionDef) -> Statement | None:
    """The first statement of a function behind its docstring."""
    for at, statement in enumerate(function.body.body):
        if at == 0 and isinstance(statement, cst.SimpleStatementLine):
            small = statement.body[0]
            if isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString):
                continue
        if isinstance(statement, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            return statement
    return None


@rewrite("insert-super-init", "super-init-missing", grades=SURE)
def insert_super_init(case: Case) -> Iterator[Proposal]:
    """Calls super().__init__() first in the constructor of a module."""
    module = case.word("module")
    for name, owner in case.names.classes.items():
        if not _is_module(case, owner) or (
            module and module in case.names.classes and module != name
        ):
            continue
        for method in _methods(owner):
            first = _first_statement(method)
            if method.name.value != "__init__" or first is None:
                continue
            edit = case.edit()
            olds = [
                s
                for s in method.body.body
                if isinstance(s, cst.SimpleStatementLine) and "__init__" in case.text(s)
            ]
            if olds == [first]:
                edit.instead(first, "super().__init__()")
            else:
                for old in olds:
                    edit.remove(old)
                if first in olds:
                    continue
                edit.before(first, "super().__init__()")
            yield sure(edit, name=name)
        written = [s for s in find(owner, cst.Attribute) if case.text(s) == "super.__init__"]
        for attribute in written:
            yield sure(case.edit().replace(attribute, "super().__init__"), name=name)


@rewrite("outdent-forward", "forward-not-implemented", "module-attribute-missing", grades=SURE)
def outdent_forward(case: Case) -> Iterator[Proposal]:
    """Moves a method that is indented into __init__ out to the class."""
    for name, owner in case.names.classes.items():
        for method in _methods(owner):
            for inner in method.body.body:
                if not isinstance(inner, cst.FunctionDef) or not inner.params.params:
                    continue
                if inner.params.params[0].name.value != "self":
                    continue
                moved = inner.with_changes(
                    leading_lines=[cst.EmptyLine(indent=False), *inner.leading_lines]
                )
                rest = [node for node in method.body.body if node is not inner]
                emptied = method.with_changes(body=method.body.with_changes(body=rest))
                if not rest:
                    continue
                body = [
                    part
                    for node in owner.body.body
                    for part in ((emptied, moved) if node is method else (node,))
                ]
                new = owner.with_changes(body=owner.body.with_changes(body=body))
                edit = case.edit().swap(owner, new)
                yield sure(edit, name=inner.name.value, owner=name)


@rewrite(
    "spell-method",
    "forward-not-implemented",
    "dataset-method-missing",
    "module-attribute-missing",
    "super-init-missing",
    grades=SURE,
)
def spell_method(case: Case) -> Iterator[Proposal]:
    """Corrects the misspelt name of a method that torch calls by itself."""
    for owner in case.names.classes.values():
        methods = _methods(owner)
        names = {method.name.value for method in methods}
        for method in methods:
            old = method.name.value
            if old in _SPECIAL:
                continue
            wanted = [one for one in _SPECIAL if one not in names]
            bare = {one.strip("_"): one for one in wanted}
            key = old.strip("_").lower()
            close = difflib.get_close_matches(key, bare, n=1, cutoff=0.75)
            alias = {"call": "forward", "length": "__len__", "getitems": "__getitem__"}.get(key)
            new = alias if alias in wanted else (bare[close[0]] if close else None)
            if new is not None and (new == "forward" or old.startswith("_") or alias is None):
                if new.startswith("__") and not old.startswith("_") and key != "getitem":
                    continue
                edit = case.edit().swap(method.name, cst.Name(new))
                yield sure(edit, old=old, new=new)


@rewrite(
    "return-from-forward",
    "grad-is-none",
    "arg-must-be-tensor",
    "backward-non-tensor",
    "shape-unpack",
    "numpy-object-array",
    "lbfgs-closure",
    grades=SURE,
)
def return_from_forward(case: Case) -> Iterator[Proposal]:
    """Returns the last result of a function that ends without a return."""
    if "NoneType" not in case.message:
        return
    for function in find(case.source.module, cst.FunctionDef):
        if find(function, cst.Return) or function.name.value.startswith("__"):
            continue
        if not isinstance(function.body, cst.IndentedBlock):
            continue
        last = function.body.body[-1]
        if not isinstance(last, cst.SimpleStatementLine):
            continue
        small = last.body[-1]
        if isinstance(small, cst.Assign) and len(small.targets) == 1:
            target = case.text(small.targets[0].target)
            yield sure(
                case.edit().after(last, f"return {target}"), name=function.name.value, what=target
            )
        elif (
            isinstance(small, cst.Expr)
            and isinstance(small.value, cst.Call)
            and (case.names.owner(function) is not None or _result_used(case, function))
        ):
            what = case.text(small.value)
            edit = case.edit().instead(last, f"return {what}")
            yield sure(edit, name=function.name.value, what=what)


def _result_used(case: Case, function: cst.FunctionDef) -> bool:
    return any(
        dotted(call.func) == function.name.value
        and not isinstance(case.source.parent(call), cst.Expr)
        for call in case.source.calls
    )


_LAYER_LISTS: Final = (
    "optimizer-empty-params",
    "silent-not-registered",
    "silent-params-not-in-optimizer",
    "device-mismatch",
    "dtype-mismatch",
)


@rewrite("register-layers", *_LAYER_LISTS, grades=SURE)
def register_layers(case: Case) -> Iterator[Proposal]:
    """Keeps layers in a ModuleList or ModuleDict, and parameters in a ParameterList."""
    edit, changed = case.edit(), ""
    for name, bindings in case.names.bindings.items():
        for bound in bindings:
            if not name.startswith("self.") or bound.owner is None:
                continue
            value = bound.value
            inside = f"{case.text(value)} {' '.join(_appended(case, name))}"
            kind = _holder(case, value, inside)
            if kind:
                edit.replace(value, f"{case.nn}.{kind}({case.text(value)})")
                changed = name
    if changed:
        yield sure(edit, what=changed)


def _holder(case: Case, value: cst.BaseExpression, inside: str) -> str:
    """The container of torch.nn for a list or dict of layers; "" when it holds none."""
    parameters = "nn.Parameter(" in inside or "Parameter(" in inside
    layers = parameters or any(
        called(call)[:1].isupper() and _makes_layer(case, call)
        for call in find(cst.parse_module(_as_lines(inside)), cst.Call)
    )
    if not layers:
        return ""
    if isinstance(value, cst.List | cst.ListComp | cst.Tuple):
        return "ParameterList" if parameters else "ModuleList"
    if isinstance(value, cst.Dict | cst.DictComp):
        return "ParameterDict" if parameters else "ModuleDict"
    return ""


def _as_lines(text: str) -> str:
    return "\n".join(f"_ = {part}" for part in [text.strip()] if part) + "\n"


def _makes_layer(case: Case, call: cst.Call) -> bool:
    name = called(call)
    if name in case.names.classes:
        return _is_module(case, case.names.classes[name])
    home = dotted(call.func) or ""
    return home.startswith(("nn.", "torch.nn.")) or home in case.source.imported


def _appended(case: Case, name: str) -> list[str]:
    """What is appended to a list by `self.layers.append(nn.Linear(4, 4))`, as operands of +."""
    return [
        f"+ [{case.text(call.args[0].value)}]"
        for call in case.source.calls
        if called(call) == "append"
        and isinstance(call.func, cst.Attribute)
        and dotted(call.func.value) == name
        and call.args
    ]


@rewrite(
    "make-instance",
    "forward-args",
    "optimizer-param-type",
    "super-init-missing",
    "backward-non-tensor",
    "arg-must-be-tensor",
    grades=SURE,
)
def make_instance(case: Case) -> Iterator[Proposal]:
    """Makes an instance of the model class before it is called with data."""
    for name, owner in case.names.classes.items():
        if not _is_module(case, owner):
            continue
        inits = [m for m in _methods(owner) if m.name.value == "__init__"]
        wants = any(param.default is None for method in inits for param in method.params.params[1:])
        if wants:
            continue
        for bindings in case.names.bindings.values():
            for bound in bindings:
                if dotted(bound.value) == name:
                    yield sure(case.edit().replace(bound.value, f"{name}()"), name=name)
        for call in case.failing(cst.Call):
            if dotted(call.func) == name and call.args:
                edit = case.edit().replace(call.func, f"{name}()")
                yield sure(edit, name=name)
            if isinstance(call.func, cst.Attribute) and dotted(call.func.value) == name:
                edit = case.edit().replace(call.func.value, f"{name}()")
                yield sure(edit, name=name)


@rewrite("add-self", "forward-args", "dataset-method-missing", grades=SURE)
def add_self(case: Case) -> Iterator[Proposal]:
    """Adds the missing self to the parameters of a method."""
    for owner in case.names.classes.values():
        for method in _methods(owner):
            first = method.params.params[0].name.value if method.params.params else ""
            if first in {"self", "cls", "ctx"} or method.decorators:
                continue
            comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
            new = cst.Param(cst.Name("self"), comma=comma if first else cst.MaybeSentinel.DEFAULT)
            params = method.params.with_changes(params=[new, *method.params.params])
            yield sure(case.edit().swap(method.params, params), name=method.name.value)


@rewrite("wrap-parameter", "assign-parameter", grades=(Grade.SURE, Grade.LIKELY))
def wrap_parameter(case: Case) -> Iterator[Proposal]:
    """Makes a tensor a Parameter before a layer takes it as its weight."""
    if "as parameter" not in case.message and case.word("role") != "parameter":
        return
    for assign in case.failing(cst.Assign):
        text = f"{case.nn}.Parameter({case.text(assign.value)})"
        edit = case.edit().replace(assign.value, text)
        if case.nn == "torch.nn":
            edit.importing("import torch")
        yield sure(edit, what=case.text(assign.targets[0].target))


@rewrite("unpack-sequential", "assign-parameter", "optimizer-param-type", grades=SURE)
def unpack_sequential(case: Case) -> Iterator[Proposal]:
    """Unpacks a list of layers into Sequential with a star."""
    if "Module subclass" not in case.message:
        return
    for call in case.source.calls:
        if called(call) == "Sequential" and len(call.args) == 1 and not call.args[0].star:
            arg = call.args[0]
            value = case.names.value(arg.value)
            if isinstance(value, cst.List | cst.ListComp | cst.Tuple | cst.GeneratorExp):
                yield sure(
                    case.edit().swap(arg, arg.with_changes(star="*")), what=case.text(arg.value)
                )


@rewrite(
    "call-function",
    "backward-non-tensor",
    "self-shadowing",
    "arg-must-be-tensor",
    grades=(Grade.SURE, Grade.LIKELY),
)
def call_function(case: Case) -> Iterator[Proposal]:
    """Adds the parentheses of a call that were forgotten."""
    if "method" not in case.message and "function" not in case.message:
        return
    names = {
        "mean",
        "sum",
        "item",
        "size",
        "numel",
        "flatten",
        "squeeze",
        "float",
        "detach",
    }
    places = [n for node in case.failing_expressions() for n in (node, case.names.value(node)) if n]
    for node in places:
        for attribute in find(node, cst.Attribute):
            above = case.source.parent(attribute)
            if attribute.attr.value in names and not (
                isinstance(above, cst.Call) and above.func is attribute
            ):
                edit = case.edit().replace(attribute, f"{case.text(attribute)}()")
                yield sure(edit, what=case.text(attribute))


@rewrite("rename-result", "self-shadowing", grades=SURE)
def rename_result(case: Case) -> Iterator[Proposal]:
    """Gives the loss function a name of its own, so that its result does not take its place."""
    for call in case.failing(cst.Call):
        name = dotted(call.func)
        if name is None or "." in name:
            continue
        made = [b for b in case.names.bindings.get(name, ()) if _is_maker(b.value)]
        if not made:
            continue
        uses = [
            one.func
            for one in case.source.calls
            if dotted(one.func) == name and isinstance(one.func, cst.Name)
        ]
        new = "criterion" if "loss" in name.lower() else f"{name}_fn"
        if new in case.names.bindings:
            new = f"{name}_function"
        edit = case.edit()
        for one in made:
            for assign in find(one.statement, cst.Assign):
                for target in assign.targets:
                    if dotted(target.target) == name:
                        edit.swap(target.target, cst.Name(new))
        for use in uses:
            edit.swap(use, cst.Name(new))
        yield sure(edit, old=name, new=new)


def _is_maker(value: cst.BaseExpression) -> bool:
    return (isinstance(value, cst.Call) and called(value)[:1].isupper()) or (
        isinstance(value, cst.Attribute)
        and value.attr.value.islower()
        and not find(value, cst.Call)
    )
