"""A pasted message comes apart into errors, code, prose and language, however it was pasted."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knowledge.language import Language
from knowledge.post import parse

PLAIN = """\
Traceback (most recent call last):
  File "train.py", line 31, in <module>
    main()
  File "train.py", line 22, in main
    out = net(batch)
          ^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)
"""

CHAINED = """\
Traceback (most recent call last):
  File "load.py", line 4, in <module>
    cfg = table["lr"]
KeyError: 'lr'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "load.py", line 6, in <module>
    raise RuntimeError("no learning rate") from None
RuntimeError: no learning rate
"""

WORKER = """\
Traceback (most recent call last):
  File "fit.py", line 9, in <module>
    for batch in loader:
  File "/lib/torch/utils/data/dataloader.py", line 1400, in _process_data
    data.reraise()
RuntimeError: Caught RuntimeError in DataLoader worker process 1.
Original Traceback (most recent call last):
  File "/lib/torch/utils/data/_utils/worker.py", line 351, in _worker_loop
    data = fetcher.fetch(index)
  File "/lib/torch/utils/data/_utils/collate.py", line 398, in default_collate
    return collate(batch)
RuntimeError: stack expects each tensor to be equal size, but got [3, 20] at entry 0
"""

REMOTE = '''\
multiprocessing.pool.RemoteTraceback:
"""
Traceback (most recent call last):
  File "/usr/lib/python3.11/multiprocessing/pool.py", line 125, in worker
    result = (True, func(*args, **kwds))
  File "prep.py", line 12, in resize
    return torch.stack(parts)
RuntimeError: stack expects a non-empty TensorList
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "prep.py", line 30, in <module>
    pool.map(resize, names)
RuntimeError: stack expects a non-empty TensorList
'''

OLD_NOTEBOOK = """\
---------------------------------------------------------------------------
RuntimeError                              Traceback (most recent call last)
<ipython-input-7-0c1d2e3f4a5b> in <module>
      1 x = torch.rand(4, 3)
----> 2 y = layer(x)
      3 print(y)

/opt/conda/lib/python3.7/site-packages/torch/nn/functional.py in linear(input, weight, bias)
   1368     if input.dim() == 2 and bias is not None:
-> 1370         ret = torch.addmm(bias, input, weight.t())
   1371     else:

RuntimeError: size mismatch, m1: [4 x 3], m2: [5 x 2] at /opt/conda/THTensorMath.cpp:41
"""

NEW_NOTEBOOK = """\
---------------------------------------------------------------------------
IndexError                                Traceback (most recent call last)
Cell In[3], line 2
      1 table = nn.Embedding(10, 4)
----> 2 table(torch.tensor([12]))

File ~/env/lib/python3.12/torch/nn/modules/sparse.py:190, in Embedding.forward(self, input)
    189 def forward(self, input):
--> 190     return F.embedding(input, self.weight)

IndexError: index out of range in self
"""

RICH = """\
╭─────────────────────── Traceback (most recent call last) ───────────────────────╮
│ /home/me/lab/train.py:41 in <module>                                            │
│                                                                                 │
│   40 loss = criterion(out, y)                                                   │
│ ❱ 41 loss.backward()                                                            │
│   42 opt.step()                                                                 │
╰─────────────────────────────────────────────────────────────────────────────────╯
RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn
"""

PYTEST = """\
    def test_forward():
>       net(torch.rand(2, 7))

tests/test_net.py:8:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
net.py:14: in forward
    return self.fc(x)
E       RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x7 and 9x4)

net.py:14: RuntimeError
"""

EVERY_FORM = {
    "plain": PLAIN,
    "chained": CHAINED,
    "worker": WORKER,
    "remote": REMOTE,
    "old notebook": OLD_NOTEBOOK,
    "new notebook": NEW_NOTEBOOK,
    "rich": RICH,
    "pytest": PYTEST,
}


def test_a_plain_traceback_gives_type_message_and_frames() -> None:
    error = parse(PLAIN).errors[0]

    assert error.exception == "RuntimeError"
    assert error.message == "mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)"
    assert error.text == f"RuntimeError: {error.message}"
    assert [frame.function for frame in error.frames] == ["<module>", "main", "forward"]
    assert error.frames[1].file == "train.py"
    assert error.frames[1].line == 22
    assert error.frames[1].code == "out = net(batch)"


def test_the_root_of_a_chained_exception_decides() -> None:
    errors = parse(CHAINED).errors

    assert [error.text for error in errors] == ["KeyError: 'lr'", "RuntimeError: no learning rate"]
    assert errors[0].frames[0].line == 4


def test_the_last_of_two_unrelated_tracebacks_decides() -> None:
    post = parse(PLAIN + "\nand after I changed that:\n\n" + RICH)

    assert post.errors[0].message.startswith("element 0 of tensors")
    assert post.errors[1].message.startswith("mat1 and mat2")


def test_the_original_error_of_a_dataloader_worker_decides() -> None:
    errors = parse(WORKER).errors

    assert errors[0].message.startswith("stack expects each tensor")
    assert any(frame.function == "default_collate" for frame in errors[0].frames)
    assert errors[-1].message == "Caught RuntimeError in DataLoader worker process 1."


def test_the_error_of_a_remote_traceback_decides_with_its_frames() -> None:
    error = parse(REMOTE).errors[0]

    assert error.text == "RuntimeError: stack expects a non-empty TensorList"
    assert any(frame.function == "resize" for frame in error.frames)


def test_the_cause_decides_over_the_dead_workers_that_follow_it() -> None:
    post = parse(
        "Traceback (most recent call last):\n"
        '  File "go.py", line 3, in <module>\n'
        "    for b in loader: pass\n"
        "RuntimeError: \n"
        "        An attempt has been made to start a new process before the\n"
        "        current process has finished its bootstrapping phase.\n"
        "\n"
        "        This probably means that you are not using fork.\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "go.py", line 3, in <module>\n'
        "    for b in loader: pass\n"
        "RuntimeError: DataLoader worker (pid(s) 811) exited unexpectedly\n"
    )

    assert "finished its bootstrapping phase" in post.errors[0].message
    assert "not using fork" in post.errors[0].message
    assert "exited unexpectedly" in post.errors[1].message


def test_the_failing_process_decides_over_its_launcher() -> None:
    post = parse(
        "[rank0]: Traceback (most recent call last):\n"
        '[rank0]:   File "/w/train.py", line 9, in <module>\n'
        "[rank0]:     net(x)\n"
        "[rank0]: RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)\n"
        "E0101 12:00:00.000000 140 torch/elastic/api.py:833] failed (exitcode: 1) (pid: 9)\n"
        "Traceback (most recent call last):\n"
        '  File "/usr/bin/torchrun", line 8, in <module>\n'
        "    sys.exit(main())\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "============================================================\n"
        "train.py FAILED\n"
    )

    assert post.errors[0].message == "mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"
    assert post.errors[0].frames[0].file == "/w/train.py"


def test_the_error_inside_an_exception_group_is_read() -> None:
    post = parse(
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "a.py", line 3, in <module>\n'
        "  |     asyncio.run(main())\n"
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 7, in work\n'
        "    |     torch.stack(x)\n"
        "    | RuntimeError: stack expects a non-empty TensorList\n"
        "    +------------------------------------\n"
    )

    assert post.errors[0].text == "RuntimeError: stack expects a non-empty TensorList"
    assert post.errors[0].frames[-1].code == "torch.stack(x)"


def test_an_error_nested_in_a_compiler_error_decides() -> None:
    post = parse(
        "torch._dynamo.exc.TorchRuntimeError: Dynamo failed to run FX node with fake tensors: "
        "call_function <built-in method matmul>(*(x, y), **{}): "
        "got RuntimeError('a and b must have same reduction dim, but got [2, 3] X [4, 5].')"
    )

    assert post.errors[0].text.startswith("RuntimeError: a and b must have same reduction dim")


@pytest.mark.parametrize("form", ["old notebook", "new notebook"])
def test_a_notebook_traceback_gives_cells_functions_and_arrows(form: str) -> None:
    post = parse(EVERY_FORM[form])
    first, last = post.errors[0].frames[0], post.errors[0].frames[-1]

    assert len(post.errors) == 1
    assert first.line == 2
    assert "In" in first.file or "ipython-input" in first.file
    assert last.function in ("linear", "Embedding.forward")
    assert last.code.startswith(("ret = torch.addmm", "return F.embedding"))
    assert post.code == ()


def test_a_notebook_traceback_without_its_end_still_names_the_type() -> None:
    cut = NEW_NOTEBOOK[: NEW_NOTEBOOK.index("\nIndexError: ")]

    assert [error.text for error in parse(cut).errors] == ["IndexError"]


def test_a_rich_box_is_read_like_a_traceback() -> None:
    error = parse(RICH).errors[0]

    assert error.frames[0].file == "/home/me/lab/train.py"
    assert error.frames[0].line == 41
    assert error.frames[0].code == "loss.backward()"


def test_the_marks_of_pytest_are_taken_off() -> None:
    error = parse(PYTEST).errors[0]

    assert error.message == "mat1 and mat2 shapes cannot be multiplied (2x7 and 9x4)"
    assert [frame.function for frame in error.frames][-1] == "forward"


@pytest.mark.parametrize(
    "wrapped",
    [
        "\n".join("> " + line for line in PLAIN.split("\n")),
        "\n".join("[rank3]: " + line for line in PLAIN.split("\n")),
        "\n".join("2031-05-04 10:11:12,345 - ERROR - " + line for line in PLAIN.split("\n")),
        "\n".join("trainer-1  | " + line for line in PLAIN.split("\n")),
        "```\n" + PLAIN + "```",
        "<pre>" + PLAIN.replace("<", "&lt;").replace(">", "&gt;") + "</pre>",
        PLAIN.replace("RuntimeError", "\x1b[1;31mRuntimeError\x1b[0m"),
        PLAIN.replace("RuntimeError", "\\u001b[31mRuntimeError\\u001b[0m"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\\n"),
        " ".join(PLAIN.split()),
        "\n".join(line.strip() for line in PLAIN.split("\n")),
        PLAIN.replace("_", "\\_").replace("<module>", "\\<module\\>"),
        PLAIN.replace(" ", "\u00a0"),
    ],
    ids=[
        "quoted",
        "rank",
        "logger",
        "compose",
        "fenced",
        "html",
        "ansi",
        "escaped ansi",
        "crlf",
        "one string",
        "one line",
        "unindented",
        "markdown",
        "no-break spaces",
    ],
)
def test_wrapping_does_not_hide_the_error(wrapped: str) -> None:
    post = parse(wrapped)

    assert post.errors[0].text == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x96 and 48x10)"
    )
    assert {frame.function for frame in post.errors[0].frames} >= {"main", "forward"}
    assert post.code == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("RuntimeError: grad can be implicitly created only for scalar outputs", None),
        (
            "I get `IndexError: too many indices for tensor of dimension 1` here, why?",
            "IndexError: too many indices for tensor of dimension 1",
        ),
        (
            "    y = x.dot(w)  # RuntimeError: 1D tensors expected, but got 2D and 1D tensors",
            "RuntimeError: 1D tensors expected, but got 2D and 1D tensors",
        ),
        (
            "| `ValueError: optimizer got an empty parameter list` | pass parameters() |",
            "ValueError: optimizer got an empty parameter list",
        ),
        (
            "- **TypeError: expected Tensor as element 0 in argument 0, but got int**",
            "TypeError: expected Tensor as element 0 in argument 0, but got int",
        ),
        (
            "運行すると RuntimeError：CUDA error: invalid device ordinal",
            "RuntimeError: CUDA error: invalid device ordinal",
        ),
        (
            "OMP: Error #15: Initializing libomp.dylib, but found it already initialized.",
            "OMP: Error #15: Initializing libomp.dylib, but found it already initialized.",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement torch==1.4",
            "ERROR: Could not find a version that satisfies the requirement torch==1.4",
        ),
        (
            "`RuntimeError: Subtraction, the `-` operator, with a bool tensor is not supported.`",
            "RuntimeError: Subtraction, the `-` operator, with a bool tensor is not supported.",
        ),
    ],
)
def test_an_error_line_alone_is_enough(text: str, error: str | None) -> None:
    assert parse(text).errors[0].text == (error or text)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    step()\nexcept RuntimeError as error:\n    print(error)",
        'raise ValueError("optimizer got an empty parameter list")',
        "A RuntimeError is raised when shapes differ.",
        "the error went away, thanks",
        "class ShapeError(Exception): pass",
    ],
)
def test_code_and_talk_about_errors_report_none(text: str) -> None:
    assert parse(text).errors == ()


def test_a_message_keeps_all_its_lines() -> None:
    post = parse(
        "RuntimeError: Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "fc.weight".\n'
        '\tUnexpected key(s) in state_dict: "head.weight".\n'
        "\n"
        "I only renamed the layer!"
    )

    assert post.errors[0].message.splitlines()[1:] == [
        'Missing key(s) in state_dict: "fc.weight".',
        'Unexpected key(s) in state_dict: "head.weight".',
    ]
    assert post.prose == "I only renamed the layer!"


def test_a_wrapped_message_is_joined() -> None:
    post = parse(
        "# RuntimeError: a leaf Variable that requires grad is being used in an\n"
        "# in-place operation.\n"
        "w += 1\n"
    )

    assert " ".join(post.errors[0].message.split()).endswith("in an in-place operation.")


def test_a_warning_is_reported_behind_an_error() -> None:
    post = parse(
        "/lab/fit.py:12: UserWarning: Using a target size (torch.Size([5])) that is different\n"
        "  loss = mse(out, y)\n"
        "RuntimeError: The size of tensor a (5) must match the size of tensor b (9)\n"
    )

    assert [error.exception for error in post.errors] == ["RuntimeError", "UserWarning"]


def test_an_error_that_is_quoted_twice_counts_once() -> None:
    post = parse("RuntimeError: Numpy is not available\n\nfull output:\n\n" + PLAIN + PLAIN)

    assert len(post.errors) == 2
    assert post.errors[0].frames


def test_code_and_prose_are_told_apart() -> None:
    post = parse(
        "My loss never moves. What is wrong with this?\n"
        "\n"
        "import torch\n"
        "for x, y in loader:\n"
        "    opt.zero_grad()\n"
        "    loss = crit(net(x), y)\n"
        "\n"
        "Thank you!\n"
    )

    assert post.prose.split() == [
        "My",
        "loss",
        "never",
        "moves.",
        "What",
        "is",
        "wrong",
        "with",
        "this?",
        "Thank",
        "you!",
    ]
    assert post.code == (
        "import torch\nfor x, y in loader:\n    opt.zero_grad()\n    loss = crit(net(x), y)",
    )


def test_a_doctest_session_gives_its_inputs_as_code() -> None:
    post = parse("```\n>>> a = torch.ones(2)\n>>> for v in a:\n...     print(v)\ntensor(1.)\n```")

    assert post.code == ("a = torch.ones(2)\nfor v in a:\n    print(v)",)


@pytest.mark.parametrize(
    ("before", "language"),
    [
        ("Why does this happen?\n\n", Language.EN),
        ("学習を始めるとすぐ止まってしまいます。\n\n", Language.JA),
        ("一训练就报错，请问怎么解决？\n\n", Language.ZH),
    ],
)
def test_the_prose_decides_the_language(before: str, language: Language) -> None:
    assert parse(before + "```\n" + PLAIN + "```").language is language


def test_a_comment_in_code_does_not_outweigh_the_prose() -> None:
    post = parse("What does this line do in the tutorial?\n\nx = x.cuda()  # 把数据放到显卡上\n")

    assert post.language is Language.EN


def test_comments_decide_the_language_where_there_is_no_prose() -> None:
    assert parse("loss = crit(out, y)  # なぜか下がらない\n").language is Language.JA


def test_the_head_and_the_tail_of_a_giant_post_are_read() -> None:
    post = parse("なぜ止まるのでしょうか。\n" + "step 1 ok\n" * 1_000_000 + PLAIN)

    assert post.language is Language.JA
    assert post.errors[0].message.startswith("mat1 and mat2")
    assert len(post.text) < 300_000


def test_three_hundred_tracebacks_are_read() -> None:
    post = parse("\n".join(PLAIN.replace("16x96", f"{n}x96") for n in range(300)))

    assert post.errors[0].message.endswith("(299x96 and 48x10)")


@pytest.mark.parametrize(
    "text",
    [
        "A" * 100_000,
        "Error" * 20_000,
        "a." * 50_000 + "Error: x",
        'File "' * 15_000,
        ">" * 100_000,
        "`" * 100_000,
        " " * 100_000 + "x",
        "\n" * 100_000,
        "│" * 100_000,
        "x = (" * 20_000,
        "RuntimeError: x\n" * 6_000,
        "Traceback (most recent call last):\n" * 3_000,
        "[" * 100_000,
        "a(" * 50_000,
        "\\n  File " * 10_000,
        "RuntimeError:\n  y\n\n" * 5_000,
        "f(" + "a, " * 1_300 + "\n" + ("b, " * 1_300 + "\n") * 20,
    ],
)
@pytest.mark.timeout(60)  # a hang guard: quadratic work on such a text takes minutes
def test_hostile_texts_are_read_to_their_end(text: str) -> None:
    post = parse(text)

    assert len(post.text) <= len(text)


@given(st.text())
@example("\ud800\x00\x1b[")
@example("```\n~~~\n```")
@example("│ ❱ │\n---->\nE  ")
@settings(deadline=None, max_examples=300)
def test_any_text_is_taken(text: str) -> None:
    post = parse(text)

    post.text.encode()
    assert isinstance(post.language, Language)


@given(st.sampled_from(sorted(EVERY_FORM)), st.integers(0, 1_500), st.integers(0, 1_500))
@settings(deadline=None, max_examples=300)
def test_every_slice_of_a_traceback_is_taken(form: str, start: int, end: int) -> None:
    for error in parse(EVERY_FORM[form][start:end]).errors:
        assert error.text
        assert error.exception is None or error.text.startswith(error.exception)


PIECES = st.sampled_from(
    [
        *PLAIN.split("\n"),
        *NEW_NOTEBOOK.split("\n"),
        *RICH.split("\n"),
        "```",
        "```python",
        '"""',
        "> x",
    ]
)


@given(st.lists(PIECES, max_size=40))
@settings(deadline=None, max_examples=300)
def test_shuffled_lines_are_taken(lines: list[str]) -> None:
    post = parse("\n".join(lines))

    reported = any("RuntimeError: " in line or "IndexError: " in line for line in lines)
    assert bool(post.errors) or not reported
