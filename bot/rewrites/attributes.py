"""Rewrites of misspelt and misplaced attributes, of the learner's names and of torch's own."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, guess, likely, rewrite, sure
from bot.rewrites.source import called, dotted, find

_CUTOFF: Final = 0.65
_HOMES: Final = (
    "torch",
    "torch.nn",
    "torch.nn.functional",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.linalg",
)
_MOVED: Final = {
    "qr": "torch.linalg.qr",
    "lstsq": "torch.linalg.lstsq",
    "solve": "torch.linalg.solve",
    "symeig": "torch.linalg.eigh",
    "eig": "torch.linalg.eig",
    "matrix_rank": "torch.linalg.matrix_rank",
    "cholesky_solve": "torch.cholesky_solve",
    "svd": "torch.linalg.svd",
    "concatenate": "torch.cat",
    "inf": "float('inf')",
}
_CHANGED: Final = frozenset({"lstsq", "solve", "svd", "eig"})
"""What takes its arguments in another order, or returns something else, where it is now."""
_OF_NUMPY: Final = {
    "astype": "to",
    "copy": "clone",
    "append": "",
    "transpose_": "transpose",
    "ravel": "flatten",
    "expand_dims": "unsqueeze",
    "dtypes": "dtype",
    "length": "numel",
    "len": "numel",
}
_NUMPY_DTYPES: Final = frozenset(
    {"float32", "float64", "int64", "int32", "float16", "uint8", "bool"}
)


@cache
def _names_of(home: str) -> frozenset[str]:
    """The public names of one of torch's modules, or of a tensor for "Tensor"."""
    if home not in {"Tensor", *_HOMES}:
        return frozenset()
    torch = importlib.import_module("torch")
    thing = torch.Tensor if home == "Tensor" else importlib.import_module(home)
    return frozenset(name for name in dir(thing) if not name.startswith("_"))


def _close(name: str, known: frozenset[str] | set[str]) -> list[str]:
    """The known names that a misspelt one may mean, the likeliest first."""
    same = sorted(one for one in known if one.lower() == name.lower() and one != name)
    bare = name.replace("_", "").lower()
    alike = sorted(one for one in known if one.replace("_", "").lower() == bare and one != name)
    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=_CUTOFF)
    return list(dict.fromkeys(one for one in (*same, *alike, *close) if one != name))


def _failing_attributes(case: Case, name: str) -> list[cst.Attribute]:
    here = [node for node in case.failing(cst.Attribute) if node.attr.value == name]
    return here or [
        node for node in find(case.source.module, cst.Attribute) if node.attr.value == name
    ]


@rewrite(
    "spell-attribute",
    "module-attribute-missing",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def spell_attribute(case: Case) -> Iterator[Proposal]:
    """Uses the name under which the module keeps what is asked for."""
    name = case.word("attribute")
    owner = case.names.classes.get(case.word("module"))
    for node in _failing_attributes(case, name):
        holder = owner or case.names.class_of(node.value)
        known = {
            one.removeprefix("self.").partition(".")[0]
            for one, bindings in case.names.bindings.items()
            if one.startswith("self.") and any(b.owner is holder for b in bindings)
        }
        if holder is not None:
            known |= {method.name.value for method in find(holder, cst.FunctionDef)}
        modules = {"parameters", "state_dict", "load_state_dict", "named_parameters", "children"}
        modules |= {"zero_grad", "train", "eval", "requires_grad_", "modules", "forward", "weight"}
        close = _close(name, _unused(case, name, known)) or _close(name, modules)
        for at, new in enumerate(close[:3]):
            edit = case.edit()
            for other in find(case.source.module, cst.Attribute):
                if other.attr.value == name and case.text(other.value) == case.text(node.value):
                    edit.swap(other.attr, cst.Name(new))
            yield _spelling(close, at)(edit, old=name, new=new)


def _spelling(close: list[str], at: int) -> Callable[..., Proposal]:
    """The grade of one of several close names: what another name resembles more is a guess."""
    if at > 0:
        return guess
    return sure if len(close) == 1 else likely


def _unused(case: Case, name: str, known: set[str]) -> set[str]:
    """The names that a misspelt one may mean.

    A name that differs in its number alone is another layer, unless nothing uses that one.
    """
    reads = [node.attr.value for node in find(case.source.module, cst.Attribute)]
    bare = re.sub(r"\d", "", name)
    return {
        one
        for one in known - {name}
        if re.sub(r"\d", "", one) != bare or reads.count(one) == 1 or not re.search(r"\d", name)
    }


@rewrite("spell-definition", "module-attribute-missing", grades=LIKELY)
def spell_definition(case: Case) -> Iterator[Proposal]:
    """Defines a layer under the name by which it is used."""
    name = case.word("attribute")
    owner = case.names.classes.get(case.word("module"))
    if owner is None:
        return
    used = {n.attr.value for n in find(owner, cst.Attribute) if dotted(n.value) == "self"}
    for one, bindings in case.names.bindings.items():
        bare = one.removeprefix("self.")
        if one == bare or not any(b.owner is owner for b in bindings):
            continue
        reads = [n for n in find(owner, cst.Attribute) if dotted(n) == one]
        if len(reads) == len(bindings) and _close(name, {bare}) and name in used:
            edit = case.edit()
            for node in reads:
                edit.swap(node.attr, cst.Name(name))
            yield likely(edit, old=bare, new=name)


@rewrite("through-wrapper", "module-attribute-missing", grades=SURE)
def through_wrapper(case: Case) -> Iterator[Proposal]:
    """Reaches the wrapped model through .module or ._orig_mod."""
    inner = {
        "DataParallel": "module",
        "DistributedDataParallel": "module",
        "OptimizedModule": "_orig_mod",
    }.get(case.word("module"))
    wrapped = any(
        called(call) in {"DataParallel", "DistributedDataParallel"} for call in case.source.calls
    )
    if inner is None and not wrapped:
        return
    for node in _failing_attributes(case, case.word("attribute")):
        edit = case.edit().replace(node.value, f"{case.text(node.value)}.{inner or 'module'}")
        yield sure(edit, what=case.text(node))


@rewrite(
    "spell-torch-name",
    "torch-attribute-missing",
    "self-shadowing",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def spell_torch_name(case: Case) -> Iterator[Proposal]:
    """Corrects the spelling of one of torch's own names."""
    name = case.word("name") or case.word("method")
    nodes = _failing_attributes(case, name) if name else []
    if case.slug == "self-shadowing":
        if "'module' object is not callable" not in case.message:
            return
        nodes = [c.func for c in case.failing(cst.Call) if isinstance(c.func, cst.Attribute)]
    for node in nodes:
        old = node.attr.value
        home = dotted(node.value) or ""
        home = case.source.imported.get(home.partition(".")[0], home.partition(".")[0]) + (
            "." + home.partition(".")[2] if "." in home else ""
        )
        method = home not in _HOMES
        if old in _MOVED and home == "torch":
            edit = case.edit().replace(node, _MOVED[old]).importing("import torch")
            grade = guess if old in _CHANGED else likely
            yield grade(edit, old=case.text(node), new=_MOVED[old])
        close = _close(old, set(_names_of("Tensor" if method else home)))[:3]
        for at, new in enumerate(close):
            edit = case.edit().swap(node.attr, cst.Name(new))
            yield _spelling(close, at)(edit, old=old, new=new)
        for other in _HOMES if not method else ():
            if old in _names_of(other):
                edit = case.edit().replace(node, f"{other}.{old}").importing("import torch")
                yield likely(edit, old=case.text(node), new=f"{other}.{old}")
    for alias in find(case.source.module, cst.ImportAlias):
        above = case.source.parent(alias)
        if isinstance(above, cst.ImportFrom) and dotted(alias.name) == name:
            close = _close(name, set(_names_of(dotted(above.module) or "")))[:2]
            for at, new in enumerate(close):
                edit = case.edit()
                for use in find(case.source.module, cst.Name):
                    if use.value == name:
                        edit.swap(use, cst.Name(new))
                yield _spelling(close, at)(edit, old=name, new=new)


@rewrite("tensor-method-for-numpy", "torch-attribute-missing", grades=SURE)
def tensor_method_for_numpy(case: Case) -> Iterator[Proposal]:
    """Uses the tensor's own method for one that only NumPy's arrays have."""
    name = case.word("method")
    new = _OF_NUMPY.get(name)
    if not new:
        return
    for call in case.failing_calls(name):
        func = call.func
        if not isinstance(func, cst.Attribute):
            continue
        args = []
        for arg in call.args:
            text = case.text(arg.value).strip("'\"")
            last = text.rpartition(".")[2]
            if name == "astype":
                kind = {"float": "float32", "int": "int64"}.get(last, last)
                if kind not in _NUMPY_DTYPES:
                    return
                args.append(f"torch.{kind}")
            else:
                args.append(case.text(arg.value))
        edit = case.edit().replace(call, f"{case.text(func.value)}.{new}({', '.join(args)})")
        yield sure(edit.importing("import torch"), old=name, new=new)
