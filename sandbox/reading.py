"""Reading the values of a snippet that failed, without running a line of the snippet's code.

No `getattr`, `isinstance`, `len` or `repr`: a class may have its own. What is read lies in plain
dictionaries, found through the descriptors of `type`, `object` and torch themselves.
"""

from __future__ import annotations

import types
from collections import OrderedDict
from typing import Any

import torch

from sandbox.protocol import NAME_AT_MOST

MISSING: Any = type("Missing", (), {})()
"""What a read gives that could not be done, or not without running the snippet's code."""

_mro_of = type.__dict__["__mro__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_name_of = type.__dict__["__name__"].__get__
_module_dict = torch.nn.Module.__dict__["__dict__"].__get__
_tensor_base = torch._C.TensorBase.__dict__
_numel = _tensor_base["numel"]
_is_leaf, _grad = _tensor_base["is_leaf"].__get__, _tensor_base["grad"].__get__
_NoTorchFunction = torch._C.DisableTorchFunction
_PLAIN = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)
_Uninitialized = torch.nn.parameter.UninitializedParameter.__mro__[1]
_REGISTERED = ("_parameters", "_buffers", "_modules")
_KEYS_AT_MOST = 100_000


def mro(value: Any) -> tuple[type, ...]:
    """The classes of `value`, whatever it says of itself."""
    found: tuple[type, ...] = _mro_of(type(value))
    return found


def name_of(kind: type) -> str:
    """The name of a class, whatever its metaclass says."""
    return clean(_name_of(kind), NAME_AT_MOST)


def clean(text: str, most: int) -> str:
    """`text` as characters that JSON takes, cut to `most` of them."""
    safe = text[: most + 1].encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= most else safe[: most - 1] + "…"


def own(value: Any) -> dict[str, Any]:
    """The instance dictionary of `value`; empty where it has none."""
    for each in mro(value):
        entry = _dict_of(each).get("__dict__")
        if type(entry) is types.GetSetDescriptorType:
            found = entry.__get__(value)
            return found if type(found) is dict and len(found) <= _KEYS_AT_MOST else {}
    return {}


def registered(module: Any, name: str) -> dict[str, Any]:
    """A module's `_modules`, `_parameters` or `_buffers`, without the entries that are None."""
    if torch.nn.Module not in mro(module):
        return {}
    found = _module_dict(module).get(name)
    if type(found) not in (dict, OrderedDict) or len(found) > _KEYS_AT_MOST:
        return {}
    return {key: value for key, value in found.items() if value is not None}


def is_plain_module(module: Any) -> bool:
    """True where looking up an attribute of a module runs torch's code and no other."""
    return all(type(own(module).get(name)) in (dict, OrderedDict) for name in _REGISTERED)


def attribute(value: Any, name: str) -> Any:
    """What `value.name` is where that is a stored value; MISSING for whatever is computed."""
    if type(value) is types.ModuleType:
        return vars(value).get(name, MISSING)
    if name == "grad" and type(value) in (torch.Tensor, torch.nn.Parameter):
        with _NoTorchFunction():
            # Asking another tensor than a leaf prints a warning.
            return _grad(value) if _is_leaf(value) else MISSING
    stored = own(value).get(name, MISSING)
    for each in mro(value):
        entry = _dict_of(each).get(name, MISSING)
        if entry is MISSING:
            continue
        if type(entry) is types.MemberDescriptorType:
            try:
                return entry.__get__(value)
            except AttributeError:
                return MISSING
        if type(entry) in _PLAIN or torch.Tensor in mro(entry) or torch.nn.Module in mro(entry):
            return entry if stored is MISSING else stored
        # A property, a method, a descriptor of the snippet's own.
        return stored if _only_gets(entry) else MISSING
    if stored is not MISSING:
        return stored
    for place in _REGISTERED:
        if (found := registered(value, place).get(name, MISSING)) is not MISSING:
            return found
    return MISSING


def _only_gets(entry: Any) -> bool:
    """True when an instance's own value goes before this class attribute."""
    return not any(
        "__set__" in _dict_of(each) or "__delete__" in _dict_of(each) for each in mro(entry)
    )


def item(value: Any, key: Any) -> Any:
    """What `value[key]` is for plain containers and torch's own lists of modules."""
    kind = type(value)
    if type(key) is int and kind in (list, tuple):
        return value[key] if -len(value) <= key < len(value) else MISSING
    if type(key) in (int, str) and kind is dict:
        return value.get(key, MISSING)
    if type(key) is int and kind in (torch.nn.Sequential, torch.nn.ModuleList):
        children = list(registered(value, "_modules").values())
        return children[key] if -len(children) <= key < len(children) else MISSING
    if type(key) is str and kind is torch.nn.ModuleDict:
        return registered(value, "_modules").get(key, MISSING)
    return MISSING


def dispatches(kind: type) -> bool:
    """True for a tensor class that computes by itself, even its own sizes."""
    for each in _mro_of(kind):
        if each is torch.Tensor:
            return False
        if "__torch_dispatch__" in _dict_of(each):
            given = _dict_of(each)["__torch_dispatch__"]
            return given is not torch._C._disabled_torch_dispatch_impl
    return True


def is_uninitialized(tensor: Any) -> bool:
    """True for a parameter of a lazy layer that has no shape yet."""
    return _Uninitialized in mro(tensor)


def numel(tensor: Any) -> int:
    """How many numbers a tensor holds; 0 where that is not known yet or not to be had safely."""
    if torch.Tensor not in mro(tensor) or dispatches(type(tensor)):
        return 0
    if is_uninitialized(tensor):
        return 0
    with _NoTorchFunction():
        return int(_numel(tensor))
