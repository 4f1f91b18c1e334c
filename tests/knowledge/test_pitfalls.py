"""Pitfalls are seen in code, fragments included; sound code shows none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.entry import load_entries
from knowledge.pitfalls import find_pitfalls
from knowledge.post import parse

LOOP = "for x, y in loader:\n    opt.zero_grad()\n    loss = criterion(model(x), y)\n"

FLAWED = [
    # softmax and sigmoid before a loss that has them inside
    ("p = F.softmax(net(x), dim=1)\nloss = F.cross_entropy(p, y)", "silent-softmax-before-ce"),
    ("ce = nn.CrossEntropyLoss()\nout = torch.softmax(z, 1)\nloss = ce(out.view(-1, 9), y)",
     "silent-softmax-before-ce"),
    ("net = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))\nce = nn.CrossEntropyLoss()",
     "silent-softmax-before-ce"),
    ("class N(nn.Module):\n    def forward(self, x):\n        x = self.fc(x)\n"
     "        x = F.softmax(x, dim=1)\n        return x\nc = nn.CrossEntropyLoss()",
     "silent-softmax-before-ce"),
    ("class N(nn.Module):\n    def __init__(self):\n"
     "        self.net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1))\n"
     "    def forward(self, x):\n        return self.net(x)\ncriterion = nn.CrossEntropyLoss()",
     "silent-softmax-before-ce"),
    ("        scores = torch.softmax(scores, dim=2)\n        if self.training:\n"
     "            ce = torch.nn.CrossEntropyLoss()\n"
     "            loss = ce(scores.flatten(0, 1), ids.flatten())", "silent-softmax-before-ce"),
    ("loss = nn.BCEWithLogitsLoss()(torch.sigmoid(z), y)", "silent-sigmoid-before-bce-logits"),
    ("class N(nn.Module):\n    def __init__(self):\n        self.act = nn.Sigmoid()\n"
     "    def forward(self, x):\n        return self.act(x)\nc = nn.BCEWithLogitsLoss()",
     "silent-sigmoid-before-bce-logits"),
    # gradients
    ("for x, y in d:\n    l = f(net(x), y)\n    l.backward()\n    opt.step()",
     "silent-zero-grad-missing"),
    ("    for x, y in d:\n        l.backward()\n        opt.step()\n    if broken(",
     "silent-zero-grad-missing"),
    ("for x, y in d:\n    # opt.zero_grad()\n    l.backward()\n    opt.step()",
     "silent-zero-grad-missing"),
    ("opt = torch.optim.Adam(m.parameters())\n" + LOOP + "    loss.backward()",
     "silent-no-gradient"),
    (LOOP + "    loss.requires_grad = True\n    loss.backward()\n    opt.step()",
     "silent-no-gradient"),
    (LOOP + "    loss.requires_grad_(True)\n    loss.backward()\n    opt.step()",
     "silent-no-gradient"),
    ("loss = torch.tensor(total.item(), requires_grad=True)\nloss.backward()",
     "silent-no-gradient"),
    ("pred = model(x).argmax(1).float()\nloss = criterion(pred, y)\nloss.backward()",
     "silent-no-gradient"),
    ("loss = criterion(out.detach(), y)\nloss.backward()", "silent-no-gradient"),
    ("class E(nn.Module):\n    def forward(self, x):\n        return self.body(x).detach()",
     "silent-no-gradient"),
    ("class E(nn.Module):\n    def forward(self, x):\n        h = self.a(x).detach().numpy()\n"
     "        return self.b(torch.from_numpy(np.sort(self.a(x).detach().numpy())))",
     "silent-no-gradient"),
    # layers and parameters
    ("class N(nn.Module):\n    def __init__(self):\n"
     "        self.layers = [nn.Linear(2, 2) for _ in range(3)]", "silent-not-registered"),
    ("self.blocks = []\nfor _ in range(3):\n    self.blocks.append(nn.Conv2d(3, 3, 1))",
     "silent-not-registered"),
    ("class N(nn.Module):\n    def __init__(self):\n"
     "        self.heads = {k: nn.Linear(4, 2) for k in names}", "silent-not-registered"),
    ("class N(nn.Module):\n    def __init__(self):\n"
     "        self.scale = torch.ones(1, requires_grad=True)\n"
     "    def forward(self, x):\n        return x * self.scale", "silent-not-registered"),
    ("opt = optim.SGD(model.parameters(), lr=0.01)\nmodel.fc = nn.Linear(512, 7)",
     "silent-params-not-in-optimizer"),
    ("model = Net()\nopt = Adam(model.parameters())\nmodel = Net()\nfor x in d:\n    go(x)",
     "silent-params-not-in-optimizer"),
    # memory, modes, loops
    ("for x, y in d:\n    opt.zero_grad()\n    loss.backward()\n    total += loss",
     "silent-memory-leak"),
    ("for x, y in d:\n    opt.zero_grad()\n    loss.backward()\n    self.log['l'].append(loss)",
     "silent-memory-leak"),
    ("for x, y in val:\n    loss = criterion(model(x), y)\n    losses.append(loss)",
     "silent-memory-leak"),
    ("def forward(self, x):\n    x = F.dropout(x, 0.5)\n    return self.fc(x)", "silent-eval-mode"),
    ("for epoch in range(9):\n    for x, y in d:\n        opt.zero_grad()\n"
     "        criterion(net(x), y).backward()\n        opt.step()\n    net.eval()\n    test(net)",
     "silent-eval-mode"),
    ("model.load_state_dict(torch.load('m.pt'))\nprint(model(image))", "silent-eval-mode"),
    ("net = nn.Sequential(nn.Linear(4, 9), nn.Dropout(0.5), nn.Linear(9, 1))\n"
     "with torch.no_grad():\n    print(net(x))",
     "silent-eval-mode"),
    ("opt = Adam(net.parameters())\nwith torch.no_grad():\n    for x, y in val:\n"
     "        right += (net(x).argmax(1) == y).sum()", "silent-eval-mode"),
    ("scaler.scale(loss).backward()\nnn.utils.clip_grad_norm_(p, 1.0)\nscaler.step(opt)",
     "silent-amp-clip"),
    ("sched = MultiStepLR(opt, [30, 60])\nfor epoch in range(90):\n    for x, y in d:\n"
     "        opt.zero_grad()\n        loss.backward()\n        opt.step()\n        sched.step()",
     "silent-scheduler-per-batch"),
    ("sched = StepLR(opt, 10)\nfor epoch in range(90):\n    sched.step()\n    for x, y in d:\n"
     "        opt.zero_grad()\n        loss.backward()\n        opt.step()",
     "scheduler-before-optimizer"),
    ("for i, (x, y) in enumerate(d):\n    loss = f(net(x), y) / 4\n    loss.backward()\n"
     "    if (i + 1) % 4 == 0:\n        opt.step()\n        opt.zero_grad()",
     "silent-accumulation-tail"),
    ("train_loader = DataLoader(train_set, batch_size=64)", "silent-no-shuffle"),
    ("for x, y in DataLoader(data, 8):\n    opt.zero_grad()\n    f(net(x), y).backward()",
     "silent-no-shuffle"),
    ("opt = torch.optim.Adam(net.parameters(), lr=0.5)", "silent-loss-not-decreasing"),
    ("opt = torch.optim.SGD(net.parameters(), lr=5e8)", "silent-nan-loss"),
    # shapes and values
    ("b, t, c = x.shape\nx = x.view(b, c, t)", "silent-reshape-as-permute"),
    ("x = x.reshape(x.size(0), x.size(2), x.size(1))", "silent-reshape-as-permute"),
    ("img = cv2.imread('cat.png')\nx = torch.from_numpy(img).view(1, 3, 224, 224)",
     "silent-reshape-as-permute"),
    ("out = model(x)\nprobs = F.softmax(out, dim=0)", "silent-softmax-dim"),
    ("net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=0))", "silent-softmax-dim"),
    ("probs = F.softmax(scores)", "silent-softmax-dim"),
    ("y = torch.Tensor(labels)", "silent-tensor-vs-Tensor"),
    ("x = torch.Tensor(5)", "silent-tensor-vs-Tensor"),
    ("net = nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 1))\n"
     "criterion = nn.CrossEntropyLoss()", "silent-wrong-loss"),
    ("loss = F.nll_loss(F.softmax(z, dim=1), y)", "silent-wrong-loss"),
    ("loss = -(y * torch.log(F.softmax(z, dim=1))).sum()", "silent-nan-loss"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "slug"), FLAWED)
def test_a_pitfall_is_seen_in_code(code: str, slug: str) -> None:
    assert slug in {pitfall.slug for pitfall in find_pitfalls([code])}


SOUND = [
    "loss = F.cross_entropy(net(x), y)\nprobabilities = torch.softmax(net(x), 1)",
    "out = net(x)\nloss = ce(out, y)\nout = torch.softmax(out, 1)\nce = nn.CrossEntropyLoss()",
    # probabilities for people, logits for the loss
    "class N(nn.Module):\n    def forward(self, x):\n        return self.fc(x)\n"
    "    def predict(self, x):\n        return F.softmax(self(x), 1)\nc = nn.CrossEntropyLoss()",
    "class N(nn.Module):\n    def forward(self, x):\n        x = self.fc(x)\n"
    "        if self.training:\n            return x\n        return F.softmax(x, dim=1)\n"
    "c = nn.CrossEntropyLoss()",
    # a gate inside a network is no output
    "class SE(nn.Module):\n    def __init__(self):\n"
    "        self.gate = nn.Sequential(nn.Linear(8, 8), nn.Sigmoid())\n"
    "    def forward(self, x):\n        return x * self.gate(x)\nc = nn.BCEWithLogitsLoss()",
    "class A(nn.Module):\n    def forward(self, q, k, v):\n"
    "        w = F.softmax(q @ k.transpose(1, 2), dim=-1)\n        return self.out(w @ v)\n"
    "c = nn.CrossEntropyLoss()",
    "loss = nn.NLLLoss()(F.log_softmax(net(x), dim=1), y)",
    "loss = nn.BCELoss()(torch.sigmoid(z), y)",
    "loss = F.kl_div(F.log_softmax(s, 1), F.softmax(t, 1), reduction='batchmean')\n"
    "loss += F.cross_entropy(s, y)",
    # loops
    "for x, y in d:\n    opt.zero_grad()\n    l.backward()\n    opt.step()\n    t += l.item()",
    "for x, y in d:\n    for p in m.parameters():\n        p.grad = None\n    l.backward()\n"
    "    opt.step()",
    "for x, y in d:\n    l.backward()\n    scheduler.step()",
    "for s in range(9):\n    state, reward = env.step(action)\n    loss.backward()",
    "for part in parts:\n    loss += part\nloss.backward()",
    "for i, (x, y) in enumerate(d):\n    (f(net(x), y) / 4).backward()\n"
    "    if (i + 1) % 4 == 0 or i + 1 == len(d):\n        opt.step()\n        opt.zero_grad()",
    "def closure():\n    opt.zero_grad()\n    loss = f(net(x), y)\n    loss.backward()\n"
    "    return loss\nfor i in range(20):\n    opt.step(closure)",
    "for epoch in range(9):\n    net.train()\n    for x, y in d:\n        opt.zero_grad()\n"
    "        f(net(x), y).backward()\n        opt.step()\n    net.eval()\n    test(net)",
    "for epoch in range(9):\n    for x, y in d:\n        opt.zero_grad()\n        loss.backward()\n"
    "        opt.step()\n    scheduler.step()",
    "sched = OneCycleLR(opt, 0.1, total_steps=900)\nfor epoch in range(9):\n    for x, y in d:\n"
    "        opt.zero_grad()\n        loss.backward()\n        opt.step()\n        sched.step()",
    "sched = StepLR(opt, step_size=10000)\nfor epoch in range(9):\n    for x, y in d:\n"
    "        opt.zero_grad()\n        loss.backward()\n        opt.step()\n        sched.step()",
    "losses = []\nfor x, y in d:\n    opt.zero_grad()\n    loss = criterion(net(x), y)\n"
    "    loss.backward()\n    opt.step()\n    losses.append(loss.item())",
    "losses = []\nfor x, y in d:\n    loss = criterion(net(x), y)\n    losses.append(loss)\n"
    "torch.stack(losses).mean().backward()",
    "with torch.no_grad():\n    for x, y in val:\n        loss = criterion(net(x), y)\n"
    "        losses.append(loss)",
    "for x, y in d:\n    opt.zero_grad()\n    loss = step(x, y)\n    loss.backward()\n"
    "    opt.step()\n    loss = loss.item()\n    total += loss",
    # mixed precision
    "scaler.unscale_(opt)\nclip_grad_norm_(p, 1)\nscaler.scale(loss).backward()",
    "loss.backward()\ntorch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)\nopt.step()",
    # modes
    "model.load_state_dict(torch.load('m.pt'))\nmodel.eval()\nprint(model(image))",
    "opt = Adam(net.parameters())\nnet.eval()\nwith torch.no_grad():\n    for x, y in val:\n"
    "        right += (net(x).argmax(1) == y).sum()",
    "def forward(self, x):\n    return self.fc(F.dropout(x, 0.5, training=self.training))",
    "def forward(self, x):\n    return self.fc(F.dropout(x, 0.5, self.training))",
    "with torch.no_grad():\n    target = target_net(state).max(1).values",
    "opt.load_state_dict(state['opt'])\nmodel.load_state_dict(state['model'])\n"
    "for x, y in d:\n    opt.zero_grad()\n    f(model(x), y).backward()\n    opt.step()",
    "model = nn.Sequential(nn.Linear(8, 2))\nmodel.load_state_dict(state)\nmodel(torch.ones(1, 8))",
    # layers and parameters
    "self.layers = nn.ModuleList([nn.Linear(2, 2)])",
    "self.sizes = [3, 4]\nself.sizes.append(5)",
    "layers = []\nfor i in range(3):\n    layers.append(nn.Linear(2, 2))\n"
    "self.net = nn.Sequential(*layers)",
    "self.parts = [nn.Linear(2, 2), nn.ReLU()]\nself.net = nn.Sequential(*self.parts)",
    "class N(nn.Module):\n    def __init__(self):\n        self.w = nn.Parameter(torch.ones(3))\n"
    "    def forward(self, x):\n        return x * self.w",
    "model.fc = nn.Linear(512, 7)\nopt = optim.SGD(model.parameters(), lr=0.01)",
    "opt = optim.SGD(model.parameters(), lr=0.01)\nmodel = nn.DataParallel(model)",
    "opt = optim.SGD(model.parameters(), lr=0.01)\nmodel.head = nn.Linear(4, 2)\n"
    "opt.add_param_group({'params': model.head.parameters()})",
    "opt = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.01)",
    "opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)",
    # data
    "train_loader = DataLoader(train_set, batch_size=64, shuffle=True)",
    "train_loader = DataLoader(train_set, batch_size=64, sampler=sampler)",
    "val_loader = DataLoader(val_set, batch_size=64)",
    "train_loader = DataLoader(train_set, **options)",
    # shapes and values
    "b, t, c = x.shape\nx = x.view(b, t, 8, c // 8)",
    "b, c, h, w = x.shape\nx = x.permute(0, 2, 3, 1)\nx = x.reshape(b, h, w, c)",
    "x = x.view(x.size(0), -1)",
    "x = x.view(-1, 16 * 5 * 5)\nx = F.relu(self.fc1(x))",
    "x = torch.from_numpy(img).permute(2, 0, 1)",
    "probs = F.softmax(model(x), dim=1)",
    "out = model(image.unsqueeze(0))[0]\nprobs = F.softmax(out, dim=0)",
    "attention = torch.softmax(scores, dim=0)",
    "w = nn.Parameter(torch.Tensor(4, 3))",
    "x = torch.tensor(labels)",
    "x = torch.Tensor([0.5, 1.5])",
    "h = encoder(x).detach()\nloss = criterion(head(h), y)\nloss.backward()\nopt.step()",
    "loss = criterion(student(x), teacher(x).detach())\nloss.backward()",
    "correct += (model(x).argmax(1) == y).sum().item()",
    "net = nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 1))\nc = nn.MSELoss()",
    "x = torch.rand(3, requires_grad=True)\nloss = (x ** 2).sum()\nloss.backward()",
    "loss = -(y * F.log_softmax(z, dim=1)).sum()",
    # comments and strings are no code
    "# never put F.softmax before CrossEntropyLoss\nloss = nn.CrossEntropyLoss()(net(x), y)",
    "\"\"\"self.layers = [nn.Linear(2, 2)] would not be registered\"\"\"\nprint('x.view(b, c, t)')",
    # nothing to read
    "this is (no code at all",
    "x" * 100_000,
    "a" + ".b" * 9_000,
    "(" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("code", SOUND)
def test_sound_or_unreadable_code_shows_no_pitfall(code: str) -> None:
    assert find_pitfalls([code]) == ()


def test_no_proven_example_of_the_library_is_flagged() -> None:
    flagged = {
        entry.slug: found
        for entry in load_entries()
        if entry.works and (found := find_pitfalls([entry.works]))
    }

    assert flagged == {}


def test_code_without_a_fence_is_read() -> None:
    post = parse(
        "accuracy hangs, what did I do wrong?\n\n"
        "probs = F.softmax(net(x), dim=1)\nloss = F.cross_entropy(probs, y)\nloss.backward()\n"
    )

    assert [p.slug for p in find_pitfalls(post.code)] == ["silent-softmax-before-ce"]


def test_notebook_cells_are_read_together() -> None:
    post = parse(
        "```python\n%matplotlib inline\n!pip list\ncriterion = nn.CrossEntropyLoss()\n```\n"
        "and then\n"
        "```python\n        out = torch.softmax(net(x), 1)\n        loss = criterion(out, y)\n```\n"
    )

    assert [p.slug for p in find_pitfalls(post.code)] == ["silent-softmax-before-ce"]


def test_a_fragment_that_starts_in_the_middle_of_a_line_is_read() -> None:
    code = "for x, y in d:\n            l = f(net(x), y)\n            l.backward()\n  opt.step()\n"

    assert {p.slug for p in find_pitfalls(["if go:\n" + code, code])} <= {
        "silent-zero-grad-missing"
    }
    assert find_pitfalls(["loss = crit(torch.sigmoid(z), y)\n    crit = nn.BCEWithLogitsLoss()"])


def test_sure_pitfalls_come_before_guesses() -> None:
    code = (
        "train_loader = DataLoader(train_set, 8)\nfor x, y in train_loader:\n"
        "    l = f(net(x), y)\n    l.backward()\n    opt.step()"
    )

    assert [(p.slug, p.sure) for p in find_pitfalls([code])] == [
        ("silent-zero-grad-missing", True),
        ("silent-no-shuffle", False),
    ]


@given(st.lists(st.sampled_from(["for x in d:", "    loss.backward()", "(", "'", "pass", "\t"])))
@settings(deadline=None)
def test_any_code_is_taken(lines: list[str]) -> None:
    find_pitfalls(["\n".join(lines)])
