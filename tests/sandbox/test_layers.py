"""The way of the data through the layers, up to the one that failed."""

from __future__ import annotations

import textwrap

import pytest

from sandbox.pool import Pool
from sandbox.protocol import Layer, Result, Snippet, Status

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRELUDE = "import torch\nfrom torch import nn\n"


async def run(pool: Pool, code: str) -> Result:
    return await pool.run(Snippet(code=PRELUDE + textwrap.dedent(code)))


async def way(pool: Pool, code: str) -> tuple[Layer, ...]:
    result = await run(pool, code)
    assert result.status is Status.ERROR, result
    assert result.scene is not None
    return result.scene.layers


def rows(layers: tuple[Layer, ...]) -> list[tuple[str, str, str | None]]:
    return [(layer.name, layer.input, layer.output) for layer in layers]


NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.block = nn.Sequential(nn.MaxPool2d(2), nn.BatchNorm2d(8))
        self.fc = nn.Linear(100, 10)
    def forward(self, x):
        x = self.block(self.conv1(x))
        return self.fc(x.flatten(1))
"""


async def test_the_way_leads_from_the_model_to_the_layer_that_failed(pool: Pool) -> None:
    layers = await way(pool, NET + "Net()(torch.randn(4, 1, 28, 28))")
    assert rows(layers) == [
        ("", "[4, 1, 28, 28]", None),
        ("conv1", "[4, 1, 28, 28]", "[4, 8, 26, 26]"),
        ("block.0", "[4, 8, 26, 26]", "[4, 8, 13, 13]"),
        ("block.1", "[4, 8, 13, 13]", "[4, 8, 13, 13]"),
        ("fc", "[4, 1352]", None),
    ]
    assert [layer.parameters for layer in layers] == [1106, 80, 0, 16, 1010]
    assert [layer.failed for layer in layers] == [False, False, False, False, True]
    assert [layer.type for layer in layers][:3] == ["Net", "Conv2d", "MaxPool2d"]


async def test_a_failure_in_a_forward_of_the_learners_own_is_the_models(pool: Pool) -> None:
    code = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)
        def forward(self, x):
            return self.fc(x).view(3, 3)
    Net()(torch.ones(2, 4))
    """
    first, second = await way(pool, code)
    assert (first.name, first.failed, second.name, second.output) == ("", True, "fc", "[2, 4]")


async def test_the_last_smaller_batch_is_told_and_not_an_earlier_one(pool: Pool) -> None:
    code = """
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
    for size in (4, 4, 4, 1):
        net(torch.ones(size, 4))
    """
    layers = await way(pool, code)
    assert rows(layers) == [("", "[1, 4]", None), ("0", "[1, 4]", "[1, 8]"), ("1", "[1, 8]", None)]


STATEFUL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)
    def forward(self, x):
        return self.second(self.first(x))
net = Net()
for step in range(3):
    net(torch.ones(5, 4))
"""


async def test_a_way_that_was_known_is_told_again(pool: Pool) -> None:
    spoilt = "net.second.in_features = 9\nnet.second.weight = nn.Parameter(torch.ones(2, 9))\n"
    layers = await way(pool, STATEFUL + spoilt + "net(torch.ones(5, 4))")
    assert rows(layers) == [
        ("", "[5, 4]", None),
        ("first", "[5, 4]", "[5, 8]"),
        ("second", "[5, 8]", None),
    ]


async def test_after_a_layer_was_replaced_only_what_is_certain_is_told(pool: Pool) -> None:
    code = STATEFUL + "net.first = nn.Linear(4, 7)\nnet(torch.ones(5, 4))"
    assert rows(await way(pool, code)) == [("", "[5, 4]", None), ("second", "[5, 7]", None)]


async def test_a_failed_call_that_was_caught_leaves_no_trace_in_the_next(pool: Pool) -> None:
    code = (
        NET
        + """
net = Net()
try:
    net(torch.randn(4, 1, 28, 28))
except RuntimeError:
    pass
net(torch.randn(2, 1, 10, 10))
"""
    )
    assert [layer.input for layer in await way(pool, code)][:2] == ["[2, 1, 10, 10]"] * 2


async def test_several_inputs_are_counted(pool: Pool) -> None:
    (layer,) = await way(pool, "nn.CrossEntropyLoss()(torch.ones(2, 3), torch.ones(5).long())")
    assert (layer.type, layer.input, layer.failed) == ("CrossEntropyLoss", "2 tensors", True)


async def test_layers_that_are_not_registered_are_told_so(pool: Pool) -> None:
    code = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(4, 8), nn.Linear(9, 2)]
        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x
    Net()(torch.ones(2, 4))
    """
    assert [layer.name for layer in await way(pool, code)][1:] == ["(not registered)"] * 2


async def test_of_a_deep_model_the_beginning_and_the_end_are_told(pool: Pool) -> None:
    code = (
        "nn.Sequential(*(nn.Linear(4, 4) for _ in range(100)), nn.Linear(5, 1))(torch.ones(1, 4))"
    )
    layers = await way(pool, code)
    assert len(layers) == 40
    assert [layers[0].name, layers[1].name, layers[-1].name] == ["", "0", "100"]
    assert layers[-1].failed


async def test_without_a_running_module_there_is_no_way(pool: Pool) -> None:
    assert await way(pool, "nn.Linear(2, 2)(torch.ones(2))\ntorch.ones(2) @ torch.ones(3)") == ()


async def test_a_traceback_looks_as_without_us(pool: Pool) -> None:
    report = (await run(pool, "nn.Sequential(nn.Linear(2, 2))(torch.ones(3))")).exception
    assert report is not None
    lines = report.traceback.splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith("in _wrapped_call_impl"))
    assert lines[at].startswith('  File "torch/nn/modules/module.py", line ')
    assert lines[at + 1] == "    return self._call_impl(*args, **kwargs)"


async def test_a_model_looks_and_works_as_without_us(pool: Pool) -> None:
    code = """
    import copy, gc, inspect, pickle, weakref
    class Tell(torch.overrides.TorchFunctionMode):
        seen = []
        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.seen.append(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Sequential(nn.Linear(4, 2))
        def forward(self, x):
            return self.fc(x)
    net, x = Net(), torch.ones(3, 4)
    want = net(x)
    print(nn.Module.__call__ is nn.Module._wrapped_call_impl, list(net._forward_hooks))
    print(inspect.signature(nn.Module.__call__), list(net.state_dict()))
    print(torch.equal(pickle.loads(pickle.dumps(net))(x), want))
    print(torch.equal(copy.deepcopy(net)(x), want))
    print(torch.equal(torch.compile(net, backend="eager", fullgraph=True)(x), want))
    net.fc.register_forward_hook(lambda *_: None)
    torch._dynamo.reset()
    print(torch.equal(torch.compile(net, backend="eager", fullgraph=True)(x), want))
    print(torch.equal(torch.jit.script(Net())(x), x) in (True, False))
    print("size" in str(torch.jit.trace(Net(), x).inlined_graph))
    print(len(torch.fx.symbolic_trace(Net()).graph.nodes))
    with Tell():
        net(x)
    print(Tell.seen)
    gone = weakref.ref(net)
    del net
    gc.collect()
    torch._dynamo.reset()
    gc.collect()
    print(gone() is None)
    """
    result = await run(pool, code)
    assert result.stdout.splitlines() == [
        "True []",
        "(self, *args, **kwargs) ['fc.0.weight', 'fc.0.bias']",
        "True",
        "True",
        "True",
        "True",
        "True",
        "False",
        "3",
        "['linear']",
        "True",
    ], result
