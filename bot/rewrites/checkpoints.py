"""Rewrites of saving and loading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.layers import argument, constructors, with_argument, without_argument
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import set_number

_STATE_KEYS: Final = ("model_state_dict", "state_dict", "model", "net", "weights", "model_state")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def _loads(case: Case) -> list[cst.Call]:
    """The calls of torch.load, those of the failing line if it has any."""
    here = [c for c in case.failing_calls("load") if dotted(c.func) == "torch.load"]
    return here or [c for c in case.source.calls if dotted(c.func) == "torch.load"]


@rewrite("map-to-cpu", "load-cuda-on-cpu", "cuda-invalid-device", grades=SURE)
def map_to_cpu(case: Case) -> Iterator[Proposal]:
    """Loads a file that was saved on a GPU onto the CPU, with map_location."""
    if case.slug == "cuda-invalid-device" and "deserialize" not in case.message:
        return
    for call in _loads(case):
        new = with_argument(case, call, "map_location", '"cpu"')
        yield sure(case.edit().swap(call, new))


@rewrite("strip-module-prefix", "state-dict-keys", grades=SURE)
def strip_module_prefix(case: Case) -> Iterator[Proposal]:
    """Strips "module.", which DataParallel puts before each name, from the names of the weights."""
    missing, unexpected = case.word("missing"), case.word("unexpected")
    for prefix in ("module.", "_orig_mod.", "model."):
        if f'"{prefix}' not in (unexpected or case.message) or f'"{prefix}' in missing:
            continue
        for call in case.failing_calls("load_state_dict"):
            state = nth(call, 0, "state_dict")
            if state is None:
                continue
            text = (
                f'{{key.removeprefix("{prefix}"): value '
                f"for key, value in {case.atom(state)}.items()}}"
            )
            yield sure(case.edit().replace(state, text), prefix=prefix)


@rewrite(
    "load-the-weights",
    "state-dict-keys",
    "load-class-missing",
    "optimizer-state-mismatch",
    grades=(Grade.SURE, Grade.LIKELY),
)
def load_the_weights(case: Case) -> Iterator[Proposal]:
    """Hands load_state_dict the weights: not a path, a model or a whole checkpoint."""
    for call in case.failing_calls("load_state_dict"):
        state = nth(call, 0, "state_dict")
        if state is None:
            continue
        value = case.names.value(state)
        text = case.text(state)
        if (
            isinstance(value, cst.SimpleString | cst.FormattedString)
            or "got <class 'str'>" in case.message
        ):
            new = f"torch.load({text}, weights_only=True)"
            yield sure(case.edit().replace(state, new).importing("import torch"), what=text)
        elif case.names.class_of(state) is not None or (
            "got <class" in case.message and "Dict" not in case.message.split("got <class")[1][:40]
        ):
            yield sure(case.edit().replace(state, f"{case.atom(state)}.state_dict()"), what=text)
        keys = re.findall(r'"(\w+)"', case.message.partition("Unexpected key(s)")[2])
        for key in (one for one in _STATE_KEYS if one in keys):
            new = f'{case.atom(state)}["{key}"]'
            yield likely(case.edit().replace(state, new), what=text)


@rewrite(
    "load-into-model",
    "torch-attribute-missing",
    "load-class-missing",
    "state-dict-keys",
    grades=SURE,
)
def load_into_model(case: Case) -> Iterator[Proposal]:
    """Loads the weights into a model where the file holds weights, not a model."""
    if "OrderedDict" not in case.message and "'dict' object" not in case.message:
        return
    for name, bindings in case.names.bindings.items():
        for bound in bindings:
            if not isinstance(bound.value, cst.Call) or dotted(bound.value.func) != "torch.load":
                continue
            makers = [
                call for owner in case.names.classes.values() for call in case.names.makers(owner)
            ] or constructors(case, "Sequential")
            for maker in makers[:1]:
                load = with_argument(case, bound.value, "weights_only", "True")
                text = f"{name} = {case.text(maker)}\n{name}.load_state_dict({case.text(load)})"
                yield sure(case.edit().instead(bound.statement, text), what=name)


@rewrite(
    "save-only-weights",
    "weights-only-load",
    "load-class-missing",
    "dataloader-pickle",
    grades=LIKELY,
)
def save_only_weights(case: Case) -> Iterator[Proposal]:
    """Saves the weights instead of the whole model, and loads them into a new model."""
    for save in case.source.calls:
        model = nth(save, 0, "obj") if dotted(save.func) == "torch.save" else None
        path = nth(save, 1, "f") if model is not None else None
        made = case.names.constructed(model) if model is not None else None
        if model is None or path is None or made is None:
            continue
        if not (called(made) in case.names.classes or called(made)[:1].isupper()):
            continue
        edit = case.edit().replace(model, f"{case.text(model)}.state_dict()")
        done = False
        for name, bindings in case.names.bindings.items():
            for bound in bindings:
                loads = [c for c in find(bound.value, cst.Call) if dotted(c.func) == "torch.load"]
                if len(loads) != 1 or bound.item is not None or bound.loop:
                    continue
                flagged = with_argument(case, loads[0], "weights_only", "True")
                whole = case.text(bound.value).replace(case.text(loads[0]), case.text(made), 1)
                text = f"{name} = {whole}\n{name}.load_state_dict({case.text(flagged)})"
                edit.instead(bound.statement, text)
                done = True
        if done:
            yield likely(edit, what=case.text(model))


@rewrite("allow-safe-global", "weights-only-load", grades=LIKELY)
def allow_safe_global(case: Case) -> Iterator[Proposal]:
    """Allows the one class that a checkpoint of yours holds beside its weights."""
    found = re.search(r"GLOBAL (\S+) was not an allowed global", case.message)
    if found is None or not _NAME.fullmatch(found[1]):
        return
    name = found[1].removeprefix("__main__.")
    home, _, bare = name.rpartition(".")
    for call in _loads(case)[:1]:
        statement = case.source.statement_of(call)
        edit = case.edit().before(
            statement, f"torch.serialization.add_safe_globals([{bare if home else name}])"
        )
        if home and case.source.imported.get(bare) != name:
            edit.importing(f"from {home} import {bare}")
        yield likely(edit, name=name)


@rewrite("keep-plain-values", "weights-only-load", grades=LIKELY)
def keep_plain_values(case: Case) -> Iterator[Proposal]:
    """Saves plain numbers and dicts instead of NumPy's scalars and argparse's Namespace."""
    numpy = "numpy" in case.message
    for save in case.source.calls:
        saved = nth(save, 0, "obj") if dotted(save.func) == "torch.save" else None
        value = case.names.value(saved) if saved is not None else None
        if not isinstance(value, cst.Dict):
            continue
        edit, changed = case.edit(), False
        for element in value.elements:
            inner = case.names.value(element.value)
            if (
                numpy
                and isinstance(inner, cst.Call)
                and called(inner) in {"mean", "max", "min", "sum", "float64", "float32", "std"}
            ):
                edit.replace(element.value, f"float({case.text(element.value)})")
                changed = True
            elif isinstance(inner, cst.Call) and called(inner) in {"Namespace", "parse_args"}:
                edit.replace(element.value, f"vars({case.text(element.value)})")
                changed = True
            elif isinstance(inner, cst.Call) and called(inner) == "Path":
                edit.replace(element.value, f"str({case.text(element.value)})")
                changed = True
        if changed:
            yield likely(edit)


@rewrite("match-checkpoint-size", "state-dict-size", grades=LIKELY)
def match_checkpoint_size(case: Case) -> Iterator[Proposal]:
    """Builds the layer as large as the checkpoint has it."""
    saved, current = case.shape("saved"), case.shape("current")
    if not saved or not current or len(saved) != len(current):
        return
    orders = {
        "Linear": ("out_features", "in_features"),
        "Embedding": ("num_embeddings", "embedding_dim"),
        **{f"Conv{n}d": ("out_channels", "in_channels") for n in (1, 2, 3)},
        **{f"BatchNorm{n}d": ("num_features",) for n in (1, 2)},
        "LayerNorm": ("normalized_shape",),
    }
    for call in constructors(case, *orders):
        names = orders[called(call)][: len(saved)]
        values = [argument(call, name) for name in names]
        numbers = [case.names.number(value) if value is not None else None for value in values]
        if len(names) < min(len(saved), 2) or any(
            number is not None and number != current[at] for at, number in enumerate(numbers)
        ):
            continue
        wrong = [at for at in range(len(names)) if saved[at] != current[at]]
        for at in wrong:
            edit = set_number(case, call, names[at], saved[at])
            yield likely(edit, old=current[at], number=saved[at])
    for owner in case.names.classes.values():
        makers = case.names.makers(owner)
        for maker in makers[-1:]:
            for arg in maker.args:
                for at, size in enumerate(current):
                    if case.names.number(arg.value) == size and saved[at] != size:
                        edit = case.edit().replace(arg.value, str(saved[at]))
                        yield likely(edit, old=size, number=saved[at])


@rewrite("build-as-saved", "state-dict-size", grades=LIKELY)
def build_as_saved(case: Case) -> Iterator[Proposal]:
    """Makes the new model of the size that was saved, where its class has that size by default."""
    saved, current = case.shape("saved"), case.shape("current")
    if not saved or not current or len(saved) != len(current):
        return
    for call in case.failing_calls("load_state_dict"):
        model = call.func.value if isinstance(call.func, cst.Attribute) else None
        made = case.names.constructed(model) if model is not None else None
        owner = case.names.classes.get(called(made)) if made is not None else None
        for function in find(owner, cst.FunctionDef) if owner is not None else ():
            for param in function.params.params if function.name.value == "__init__" else ():
                default = case.names.number(param.default) if param.default is not None else None
                name = param.name.value
                for old, new in zip(current, saved, strict=True):
                    if made is None or default != old or old == new or _gives(made, function, name):
                        continue
                    edit = case.edit().swap(made, with_argument(case, made, name, str(new)))
                    yield likely(edit, name=name, old=old, number=new)


def _gives(made: cst.Call, function: cst.FunctionDef, name: str) -> bool:
    """Whether a call that makes a model gives the parameter itself."""
    at = [param.name.value for param in function.params.params].index(name) - 1
    return nth(made, at, name) is not None


@rewrite("make-directory", "disk-full-on-save", grades=SURE)
def make_directory(case: Case) -> Iterator[Proposal]:
    """Makes the folder that a file is saved in, unless it is there already."""
    if "Parent directory" not in case.message:
        return
    edit, changed = case.edit().importing("import os"), False
    for save in case.failing_calls("save"):
        path = nth(save, 1, "f")
        statement = case.source.statement_of(save)
        if path is not None and dotted(save.func) == "torch.save":
            text = f"os.makedirs(os.path.dirname({case.text(path)}), exist_ok=True)"
            edit.before(statement, text)
            changed = True
    if changed:
        yield sure(edit, directory=case.word("directory") or "?")


@rewrite("drop-verbose", "deprecated-api", grades=SURE)
def drop_verbose(case: Case) -> Iterator[Proposal]:
    """Takes an argument away that this version of torch has no more."""
    if "unexpected keyword argument" not in case.message:
        return
    found = re.search(r"unexpected keyword argument '(\w+)'", case.message)
    for call in case.failing(cst.Call):
        if found is not None and argument(call, found[1]) is not None:
            yield sure(case.edit().swap(call, without_argument(call, found[1])), name=found[1])
