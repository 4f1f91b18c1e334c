"""Attacks on the report about a failing line: by what the line names, and by what reads it."""

from __future__ import annotations

import json
import textwrap

import pytest
from attacker import PRELUDE, Target, attack, says

from sandbox.protocol import LAYERS_AT_MOST, NAME_AT_MOST, THINGS_AT_MOST, Result, Snippet, Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("R")]

TRAP = """\
import torch
from torch import nn
def trap(*_, **__):
    print("a trap ran", flush=True)
    while True: pass
"""
FAIL = "\nx, 1 / 0\n"


async def fails_as_ever(target: Target, code: str) -> Result:
    """Run code that ends in a ZeroDivisionError; the report must not have touched a trap."""
    result = await attack(target, TRAP + textwrap.dedent(code) + FAIL, wall_s=8.0)
    assert (result.status, result.exit_code) == (Status.ERROR, 1), result
    assert result.exception is not None
    assert result.exception.type == "ZeroDivisionError"
    assert result.stdout == ""
    assert result.stderr == ""
    json.loads(result.model_dump_json())
    return result


HOSTILE = {
    "repr, len, iter and the like": """
        class A: pass
        for name in ("repr str len iter getitem eq hash bool format dir sizeof int float index "
                     "contains call del_ instancecheck reduce").split():
            setattr(A, f"__{name}__", trap)
        x = A()
    """,
    "getattr and getattribute": """
        class A:
            __getattr__ = __getattribute__ = trap
        x = A()
    """,
    "a lie about its class": """
        class A:
            __class__ = property(trap)
            __dict__ = property(trap)
            shape = dtype = property(trap)
        x = A()
    """,
    "a metaclass": """
        class Meta(type):
            __name__ = __mro__ = __module__ = __dict__ = property(trap)
            __instancecheck__ = __subclasscheck__ = mro_ = trap
        class A(metaclass=Meta): pass
        x = A()
    """,
    "a subclass of Tensor": """
        class T(torch.Tensor):
            __torch_function__ = classmethod(trap)
            shape = dtype = device = requires_grad = property(trap)
            size = min = max = isnan = detach = numel = __repr__ = trap
        x = torch.ones(3).as_subclass(T)
    """,
    "a subclass that computes its own sizes": """
        class T(torch.Tensor):
            __torch_dispatch__ = classmethod(trap)
            __torch_function__ = torch._C._disabled_torch_function_impl
        x = torch.Tensor._make_wrapper_subclass(
            T, (2, 3), dispatch_sizes_strides_policy="sizes", dispatch_device=True
        )
    """,
    "function and dispatch modes left on": """
        from torch.overrides import TorchFunctionMode
        from torch.utils._python_dispatch import TorchDispatchMode
        class F(TorchFunctionMode):
            __torch_function__ = trap
        class D(TorchDispatchMode):
            __torch_dispatch__ = trap
        x = torch.ones(3)
        D().__enter__(); F().__enter__()
    """,
    "torch replaced": """
        x = torch.ones(3)
        for name in ("aminmax", "isnan", "isfinite", "no_grad", "is_tensor"):
            setattr(torch, name, trap)
        for name in ("shape", "dtype", "device", "is_leaf"):
            setattr(torch.Tensor, name, property(trap))
        for name in ("detach", "item", "size", "numel", "stride", "__getitem__"):
            setattr(torch.Tensor, name, trap)
    """,
    "a layer with its own extra_repr": """
        class L(nn.Linear):
            pass
        x = L(2, 2)
        L.extra_repr = L.__repr__ = L.__getattr__ = L.__getattribute__ = trap
    """,
    "a layer of torch's with hostile sizes": """
        class N:
            __format__ = __str__ = __repr__ = trap
        x = nn.Linear(2, 2)
        x.in_features = N()
    """,
    "a layer whose dictionaries are its own": """
        class D(dict):
            get = items = values = keys = __iter__ = __len__ = __getitem__ = trap
        x = nn.Linear(2, 2)
        for name in ("_modules", "_parameters", "_buffers"):
            x.__dict__[name] = D()
    """,
    "a layer that contains itself": """
        x = nn.Sequential(nn.ReLU())
        x._modules["again"] = x
    """,
    "a dataset and a loader": """
        from torch.utils.data import DataLoader, Dataset
        class D(Dataset):
            __len__ = __getitem__ = __repr__ = __iter__ = trap
        x = (D(), DataLoader(torch.ones(3)))
        x[1].__dict__["dataset"] = D()
        x = x[1]
    """,
    "very deep and very long containers": """
        x = []
        for _ in range(10_000):
            x = [x] * 3
        y = list(range(10**6))
    """,
    "values of other types than they seem": """
        class I(int):
            __repr__ = __str__ = __format__ = bit_length = trap
        class S(str):
            __repr__ = __str__ = __len__ = encode = trap
        class L(list):
            __len__ = __iter__ = __getitem__ = trap
        x = L([I(3), S("s")])
    """,
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=list(HOSTILE))
async def test_nothing_of_a_hostile_value_is_run(any_tier: Target, code: str) -> None:
    result = await fails_as_ever(any_tier, code)
    assert result.scene is not None
    assert result.scene.place.expression == "1 / 0"
    assert [thing.name for thing in result.scene.things] == ["x"]


async def test_hostile_parts_of_a_chain_are_not_asked(any_tier: Target) -> None:
    code = """
        class A:
            part = property(trap)
            __getitem__ = trap
        class Net(nn.Module):
            part = property(trap)
        x, y, z = A(), Net(), {"k": A()}
        y.registered = nn.ReLU()
        1 / 0, x.part, x[0], y.part.deep, y.registered, z["k"].part
    """
    result = await fails_as_ever(any_tier, code)
    assert result.scene is not None
    assert [thing.name for thing in result.scene.things] == ["x", "y", "y.registered", "z['k']"]


async def test_a_key_that_compares_for_ever_costs_the_budget_and_no_more(any_tier: Target) -> None:
    code = """
        class K:
            def __hash__(self): return hash("x")
            def __eq__(self, other):
                while armed: pass
                return False
        armed = False
        def f():
            globals()[K()] = 1
            globals()["x"] = 2
            global armed
            armed = True
            return x, 1 / 0
        f()
    """
    result = await fails_as_ever(any_tier, code.replace("return x, 1 / 0", "1 / 0, x"))
    assert result.scene is not None
    assert result.wall_s < 4


async def test_a_key_that_swallows_every_exception_is_left_at_last(any_tier: Target) -> None:
    code = """
        import time
        class K:
            def __hash__(self): return hash("x")
            def __eq__(self, other):
                end = time.monotonic() + 1
                while armed and time.monotonic() < end:
                    try:
                        while True: pass
                    except BaseException: pass
                return False
        armed = False
        def f():
            globals()[K()] = 1
            globals()["x"] = 2
            global armed
            armed = True
            1 / 0, x
        f()
    """
    assert (await fails_as_ever(any_tier, code)).wall_s < 6


async def test_an_alarm_of_the_snippets_own_stops_no_report(any_tier: Target) -> None:
    code = """
        import signal
        signal.signal(signal.SIGALRM, trap)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        signal.setitimer = signal.signal = trap
        x = 1
    """
    assert (await fails_as_ever(any_tier, code)).scene is not None


async def test_objects_whose_end_raises_change_nothing(any_tier: Target) -> None:
    code = """
        sys.unraisablehook = lambda *_: None
        class A:
            def __del__(self): raise SystemExit(3)
        x = A()
    """
    assert (await fails_as_ever(any_tier, code)).scene is not None


async def test_a_huge_tensor_is_not_read(any_tier: Target) -> None:
    code = """
        def f():
            x = torch.zeros(1).expand(1 << 40)
            y = torch.empty(250 << 18)
            1 / 0, x, y
        f()
    """
    result = await fails_as_ever(any_tier, code)
    assert result.scene is not None
    assert [thing.shape for thing in result.scene.things] == [(1 << 40,), (250 << 18,)]
    assert [thing.minimum for thing in result.scene.things] == [None, None]
    assert result.peak_mib < 200


async def test_memory_that_was_given_back_is_not_read(any_tier: Target) -> None:
    code = """
        x = torch.ones(1000)
        x.untyped_storage().resize_(0)
    """
    assert (await fails_as_ever(any_tier, code)).scene is not None


async def test_ten_thousand_names_are_bounded(any_tier: Target) -> None:
    lines = "\n".join(f"    n{i} = {i}" for i in range(10_000))
    code = f"def f():\n{lines}\n    1 / 0, {', '.join(f'n{i}' for i in range(2000))}\nf()"
    result = await any_tier.run(Snippet(code=code))
    assert result.status is Status.ERROR
    assert result.scene is not None
    assert len(result.scene.things) <= THINGS_AT_MOST
    assert len(result.model_dump_json()) < 300_000


async def test_long_and_impossible_names_are_cut(any_tier: Target) -> None:
    code = r"""
        kind = type("K" * 10**6, (), {})
        class Net(nn.Module):
            def forward(self, y):
                for _, child in self._modules.items(): y = child(y)
                1 / 0, self, y
        net = Net()
        net._modules["\ud800" * 10**5] = nn.ReLU()
        net._modules["n" * 10**6] = nn.ReLU()
        Net.__name__ = "N" * 10**6
        x = kind()
        net(torch.ones(1)), x
    """
    result = await fails_as_ever(any_tier, code)
    assert result.scene is not None
    assert all(len(each.name) <= NAME_AT_MOST for each in result.scene.layers)
    assert len(result.model_dump_json()) < 300_000


async def test_endless_recursion_through_modules_is_bounded(any_tier: Target) -> None:
    code = """
        class Net(nn.Module):
            def forward(self, y): return self(y)
        Net()(torch.ones(1))
    """
    result = await attack(any_tier, TRAP + textwrap.dedent(code))
    assert result.exception is not None
    assert result.exception.type == "RecursionError"
    assert result.scene is not None
    assert len(result.scene.layers) <= LAYERS_AT_MOST


async def test_names_of_a_frame_that_are_no_plain_dictionary_are_left_out(any_tier: Target) -> None:
    code = """
        class Names(dict):
            def __getitem__(self, name): return 1 if name == "x" else dict.__getitem__(self, name)
            get = __contains__ = keys = items = trap
        class Meta(type):
            @classmethod
            def __prepare__(cls, name, bases): return Names(__module__="", __qualname__="")
        x = 5
        class A(metaclass=Meta):
            1 / 0, x
    """
    result = await fails_as_ever(any_tier, code)
    assert result.scene is not None
    assert [thing.text for thing in result.scene.things] == ["5"]


async def test_an_exception_with_a_traceback_of_its_own_is_told(any_tier: Target) -> None:
    code = """
        class E(ZeroDivisionError):
            __traceback__ = __cause__ = __context__ = __class__ = property(trap)
        try:
            1 / 0
        except ZeroDivisionError as problem:
            kept = problem.__traceback__
        x = 1
        kept.tb_next
    """
    assert (await fails_as_ever(any_tier, code)).scene is not None


async def test_a_forged_report_module_harms_only_its_own_report(any_tier: Target) -> None:
    code = """
        class Trap:
            __getattr__ = trap
        for name in [name for name in sys.modules if name.startswith("sandbox")]:
            sys.modules[name] = None
        x = 1
    """
    await fails_as_ever(any_tier, code)


async def test_a_fork_that_fails_tells_nothing(strong: Target) -> None:
    code = """
        import torch
        torch.ones(600, 600) @ torch.ones(600, 600)
        x = torch.ones(900_000)
        child = os.fork()
        if child == 0:
            x, 1 / 0
        os.waitpid(child, 0)
        print("on")
    """
    assert (await says(strong, code))[-1] == "on"


async def test_reached_lines_are_only_those_that_were_asked_for(any_tier: Target) -> None:
    code = PRELUDE + "import builtins\nfor n in range(500): builtins.__traceback_tutor_mark__(n)"
    result = await any_tier.run(Snippet(code=code, watch=(3, 4)))
    assert result.status is Status.OK, result
    assert set(result.reached) <= {3, 4}


async def test_the_next_run_knows_nothing_of_a_spoilt_report(any_tier: Target) -> None:
    await attack(any_tier, "import torch\ntorch.nn.Module._wrapped_call_impl.__code__ = None")
    code = "import torch\ntorch.nn.Linear(2, 2)(torch.ones(3))"
    result = await attack(any_tier, code)
    assert result.scene is not None
    assert result.scene.layers[0].failed
