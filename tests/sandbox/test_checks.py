"""Check mode finds silent pitfalls, keeps quiet about sound code, and changes nothing.

Programs lie in `pitfalls/` (the line that is to be warned about ends in `# here`) and `sound/`.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.pool import Pool
from sandbox.protocol import Check, Result, Snippet, Status

pytestmark = pytest.mark.asyncio(loop_scope="session")

HERE = Path(__file__).parent
PITFALLS = {path.stem: path.read_text() for path in sorted((HERE / "pitfalls").glob("*.py"))}
SOUND = {path.stem: path.read_text() for path in sorted((HERE / "sound").glob("*.py"))}


def check_of(name: str) -> Check:
    return Check(name.rpartition("_")[0].replace("_", "-"))


def marked_line(code: str) -> int:
    [line] = [n for n, text in enumerate(code.splitlines(), 1) if text.endswith("# here")]
    return line


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def results(pool: Pool) -> dict[str, Result]:
    programs = PITFALLS | SOUND
    runs = (pool.run(Snippet(code=code, check=True)) for code in programs.values())
    return dict(zip(programs, await asyncio.gather(*runs), strict=True))


# --- Finding --------------------------------------------------------------------------------------


async def test_each_check_has_three_programs_and_fifty_are_sound() -> None:
    assert Counter(check_of(name) for name in PITFALLS) == dict.fromkeys(Check, 3)
    assert len(SOUND) >= 50


@pytest.mark.parametrize("name", PITFALLS)
async def test_a_pitfall_is_found_at_its_line(name: str, results: dict[str, Result]) -> None:
    result = results[name]
    assert result.status is Status.OK
    found = {(each.check, each.line) for each in result.findings}
    assert (check_of(name), marked_line(PITFALLS[name])) in found


async def test_sound_programs_give_no_warning(results: dict[str, Result]) -> None:
    ended = {name: results[name].status for name in SOUND}
    assert set(ended.values()) == {Status.OK}, ended
    warned = {name: results[name].findings for name in SOUND if results[name].findings}
    assert warned == {}


async def test_a_warning_brings_its_facts_and_comes_once_per_place(
    results: dict[str, Result],
) -> None:
    [finding] = results["target_broadcast_1"].findings
    assert finding.facts == {"output": "[50, 1]", "target": "[50]"}
    for result in results.values():
        places = [(each.check, each.line) for each in result.findings]
        assert len(places) == len(set(places))


async def test_without_check_nothing_is_looked_for(pool: Pool) -> None:
    result = await pool.run(Snippet(code=PITFALLS["target_broadcast_1"]))
    assert result.findings == ()


async def test_warnings_survive_the_error_that_ends_the_snippet(pool: Pool) -> None:
    code = PITFALLS["layers_not_registered_1"] + "\nnet(torch.randn(3, 5))\n"
    result = await pool.run(Snippet(code=code, check=True))
    assert result.status is Status.ERROR
    assert [each.check for each in result.findings] == [Check.LAYERS_NOT_REGISTERED]


async def test_check_mode_listens_everywhere_in_this_torch() -> None:
    from sandbox.checks import TAPS

    assert [name for name, each in TAPS.items() if each is None] == []


# --- Changing nothing -----------------------------------------------------------------------------

UNCHANGED = {
    "numbers, randomness, hooks and warnings of a training": """
        import torch
        from torch import nn
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        losses = []
        for _ in range(8):
            loss = nn.functional.mse_loss(model(100 * torch.randn(6, 4)), torch.randn(6))
            loss.backward()
            scheduler.step()
            optimizer.step()
            losses.append(loss)
        with torch.no_grad():
            print(model(torch.randn(6, 4)))
        print(losses, torch.get_rng_state().sum(), torch.Tensor(3).shape)
        print({name: value.double().sum().item() for name, value in model.state_dict().items()})
        print(sorted(vars(model)), model._forward_hooks, optimizer.state_dict())
        print([p._backward_hooks for p in model.parameters()], losses[0].grad_fn.name())
    """,
    "the traceback of an error, also as the snippet prints it": """
        import traceback
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 2)
            def forward(self, x):
                return self.fc(x) - torch.ones(3)
        net = Net()
        for call in (
            lambda: net(torch.ones(2, 3)),
            lambda: net(torch.ones(2, 4)),
            lambda: nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([1, 7])),
            lambda: torch.ones(2).backward(),
            lambda: torch.Tensor("a"),
        ):
            try:
                call()
            except Exception:
                traceback.print_exc()
        net(torch.ones(2, 5))
    """,
    "modes, transforms, traces and profiles": """
        import os
        import torch
        from torch import nn
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.overrides import TorchFunctionMode
        from torch.func import grad, vmap
        torch.manual_seed(0)
        class Log(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                print(func)
                return func(*args, **(kwargs or {}))
        class Calls(TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                print(getattr(func, "__name__", func))
                return func(*args, **(kwargs or {}))
        net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        x, y = torch.randn(5, 3), torch.randint(0, 2, (5,))
        for mode in Log(), Calls():
            with mode:
                nn.functional.cross_entropy(net(x), y).backward()
        print(torch.jit.trace(net, x).graph)
        print(torch.jit.script(nn.CrossEntropyLoss())(net(x), y))
        print(vmap(grad(lambda row: nn.functional.mse_loss(net(row), torch.zeros(2))))(x).sum())
        # The profiler writes the time of day to its standard error.
        os.dup2(os.open("times", os.O_CREAT | os.O_WRONLY), 2)
        with torch.profiler.profile() as profile:
            net(x)
        print(sorted((each.key, each.count) for each in profile.key_averages()))
    """,
    "classes of tensors, and what lives how long": """
        import gc, weakref
        import torch
        from torch import nn
        class Mine(torch.Tensor):
            def __init__(self, *args):
                super().__init__()
        class Wrong(torch.Tensor):
            def __init__(self, *args):
                super().__init__(*args)
        print(Mine([1.0, 2.0]) + 1, nn.Parameter(torch.ones(2)))
        try:
            Wrong([1.0])
        except TypeError as problem:
            print(problem)
        def train():
            model = nn.Linear(2, 1)
            optimizer = torch.optim.Adam(model.parameters())
            for _ in range(4):
                optimizer.zero_grad()
                model(torch.ones(3, 2)).mean().backward()
                optimizer.step()
            alive = weakref.ref(model), weakref.ref(model.weight), weakref.ref(optimizer)
            del model, optimizer
            gc.collect()
            print([each() for each in alive])
        train()
    """,
    "a compiled model": """
        import torch
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        quick = torch.compile(net, backend="eager", fullgraph=True)
        print(quick(torch.ones(2, 3)).sum())
    """,
    "a snippet that fights": """
        import builtins, sys
        import torch
        from torch import nn
        class Rude(nn.Module):
            def __getattr__(self, name):
                print("asked for", name)
                raise AttributeError(name)
            def named_parameters(self, *args, **kwargs):
                print("named")
                return iter(())
            def __eq__(self, other):
                print("compared")
                return True
            __hash__ = None
            def forward(self, x):
                return x * 2
        model = Rude()
        model.layers = [model, [model]]
        print(model(torch.ones(2, requires_grad=True)).sum().backward())
        sys._getframe = None
        nn.functional.mse_loss.__globals__["_tutor_check_difference_before"] = print
        builtins.id = lambda thing: 1
        optimizer = torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.1)
        optimizer.param_groups.append("not a group")
        try:
            optimizer.step()
        except Exception as problem:
            print(type(problem).__name__)
        print(nn.Linear(2, 1)(torch.ones(1, 2)).shape)
    """,
}


@pytest.mark.parametrize("what", UNCHANGED)
async def test_check_mode_does_not_change(what: str, pool: Pool) -> None:
    code = textwrap.dedent(UNCHANGED[what])
    plain, checked = [await pool.run(Snippet(code=code, check=check)) for check in (False, True)]
    assert plain.stdout or plain.stderr
    for told in ("status", "stdout", "stderr", "exception", "scene"):
        assert getattr(checked, told) == getattr(plain, told), told
