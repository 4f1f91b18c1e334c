"""The right entry comes first, with the post's own numbers, or the search keeps silent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.entry import Device, Entry, Kind, Proof, Text
from knowledge.language import Language
from knowledge.lexical import tokens
from knowledge.post import parse
from knowledge.search import MAX_MATCHES, Evidence, Ranking, Searcher
from knowledge.signature import Signature


def entry(
    slug: str,
    *signatures: Signature,
    kind: Kind = Kind.ERROR,
    en: Sequence[str] = (),
    ja: Sequence[str] = (),
    zh: Sequence[str] = (),
) -> Entry:
    title = slug.replace("-", " ")
    return Entry(
        slug=slug,
        category="test",
        kind=kind,
        device=Device.ANY,
        signatures=signatures,
        texts={
            Language.EN: Text(title, tuple(en), "", "", ""),
            Language.JA: Text(title, tuple(ja), "", "", ""),
            Language.ZH: Text(title, tuple(zh), "", "", ""),
        },
        see=(),
        docs=(),
        fails=None,
        works=None,
        proof=Proof(True, "", ""),
    )


STACK = "stack expects each tensor to be equal size, but got {first:shape} at entry"
LIBRARY = (
    entry(
        "matmul",
        Signature("shapes cannot be multiplied ({rows:d}x{cols:d} and {inner:d}x{out:d})"),
        en=["my linear layer complains about its input after the convolutions"],
    ),
    entry("collate", Signature(STACK, frames=("default_collate", "collate_tensor_fn"))),
    entry("stack", Signature(STACK)),
    entry("worker", Signature("DataLoader worker (pid {pid:d}) is killed by signal")),
    entry(
        "not-implemented", Signature("NotImplementedError", weak=True), en=["forward is missing"]
    ),
    entry("dtype", Signature("expected scalar type {wanted:w} but found {got:w}")),
    entry("target", Signature("expected scalar type Long but found {got:w}", also=("target",))),
    entry("arguments", Signature("forward() missing {n:d} required positional argument")),
    entry("library", Signature("cannot open shared object file: No such file or directory")),
    entry(
        "silent-softmax-before-ce",
        kind=Kind.SILENT,
        en=[
            "loss stuck high although I apply softmax and then CrossEntropyLoss",
            "should the network end in a softmax when the loss is cross entropy",
        ],
        ja=["softmax を通してから CrossEntropyLoss に渡すと損失が下がらない"],
        zh=["先做 softmax 再用 CrossEntropyLoss，loss 降不下去"],
    ),
    entry(
        "silent-eval-mode",
        kind=Kind.SILENT,
        en=[
            "the same image gives another prediction every time I run the model",
            "validation accuracy jumps around because dropout is still active",
        ],
        ja=[
            "同じ画像なのに推論のたびに結果が変わる",
            "テストのとき Dropout が効いたままになっている",
        ],
        zh=["同一张图片每次预测结果都不一样", "测试的时候 Dropout 好像还在起作用"],
    ),
    entry(
        "silent-zero-grad-missing",
        kind=Kind.SILENT,
        en=["what happens when zero_grad is not called", "gradients add up over the batches"],
        ja=["勾配が前のバッチの分まで足されている"],
        zh=["忘了清零梯度，loss 越来越飘"],
    ),
)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    return Searcher(LIBRARY, cache=tmp_path_factory.mktemp("cache"))


def slugs(ranking: Ranking) -> list[str]:
    return [match.entry.slug for match in ranking.matches]


def test_a_signature_on_the_error_answers_with_the_posts_own_numbers(searcher: Searcher) -> None:
    ranking = searcher.search(
        parse("RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x99 and 64x10)")
    )

    assert ranking.answered
    assert ranking.best is not None
    assert ranking.best.entry.slug == "matmul"
    assert ranking.best.evidence is Evidence.SIGNATURE
    assert ranking.best.slots == {"rows": 8, "cols": 99, "inner": 64, "out": 10}


def test_frames_tell_equal_messages_apart(searcher: Searcher) -> None:
    message = "RuntimeError: stack expects each tensor to be equal size, but got [2] at entry 0\n"
    own = '  File "mine.py", line 3, in pad\n    torch.stack(parts)\n'
    collated = '  File "torch/utils/data/_utils/collate.py", line 3, in default_collate\n    x\n'
    header = "Traceback (most recent call last):\n"

    assert slugs(searcher.search(parse(header + own + message)))[0] == "stack"
    assert slugs(searcher.search(parse(header + own + collated + message)))[0] == "collate"


def test_the_more_specific_signature_comes_first(searcher: Searcher) -> None:
    text = "RuntimeError: expected scalar type Long but found Int for argument #2 'target'"

    assert slugs(searcher.search(parse(text)))[:2] == ["target", "dtype"]


def test_the_root_of_a_chain_outranks_its_consequence(searcher: Searcher) -> None:
    ranking = searcher.search(
        parse(
            "RuntimeError: DataLoader worker (pid 41) is killed by signal: Killed.\n\n"
            "The above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in <module>\n    go()\n'
            "RuntimeError: expected scalar type Float but found Double\n"
        )
    )

    assert slugs(ranking)[:2] == ["worker", "dtype"]


def test_a_message_in_the_middle_of_prose_is_found_with_less_confidence(searcher: Searcher) -> None:
    message = "shapes cannot be multiplied (8x99 and 64x10)"
    told = searcher.search(parse(f"it says that mat1 and mat2 {message} in my torch model?"))
    pasted = searcher.search(parse(f"import torch\nRuntimeError: mat1 and mat2 {message}"))

    assert told.answered
    assert told.best is not None
    assert pasted.best is not None
    assert told.best.evidence is Evidence.TEXT_SIGNATURE
    assert told.best.slots["cols"] == 99
    assert told.best.confidence < pasted.best.confidence


def test_a_weak_signature_alone_does_not_answer(searcher: Searcher) -> None:
    ranking = searcher.search(parse("NotImplementedError: coming soon in the cake shop"))

    assert not ranking.answered


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n\t",
        "hello everyone, see you on Friday!",
        "今日はありがとうございました。また来週お会いしましょう。",
        "今天的课很有意思，下周见！",
        ">>> forward()\nTypeError: forward() missing 1 required positional argument: 'distance'",
        "from turtle import *\nforward()\n"
        "TypeError: forward() missing 1 required positional argument: 'distance'",
        "2031-01-01 W tensorflow/dso_loader.cc:64] Could not load 'libx.so.11'; "
        "libx.so.11: cannot open shared object file: No such file or directory",
        "KeyError: 'price'",
        "java.lang.NullPointerException\n\tat com.example.Main.main(Main.java:5)",
        "ModuleNotFoundError: No module named 'flask'",
        "pandas.errors.ParserError: Error tokenizing data. C error: Expected 3 fields, saw 5",
    ],
)
def test_posts_that_are_not_about_torch_stay_unanswered(searcher: Searcher, text: str) -> None:
    assert not searcher.search(parse(text)).answered


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Every time I run my model on the same image the prediction is different, why?",
         "silent-eval-mode"),
        ("モデルに同じ画像を入れても推論結果が毎回変わります。なぜですか？", "silent-eval-mode"),
        ("请问为什么同一张图片模型每次预测的结果都不一样？", "silent-eval-mode"),
        ("Is it right to put a softmax at the end of my network if the loss is cross entropy?",
         "silent-softmax-before-ce"),
    ],
)  # fmt: skip
def test_a_symptom_is_found_by_its_meaning(searcher: Searcher, text: str, slug: str) -> None:
    ranking = searcher.search(parse(text))

    assert slugs(ranking)[0] == slug
    assert ranking.matches[0].evidence is Evidence.MEANING


def test_a_pitfall_in_the_code_is_evidence(searcher: Searcher) -> None:
    ranking = searcher.search(
        parse(
            "The accuracy gets stuck, what is wrong with my training?\n"
            "```python\nfor x, y in data:\n    loss = crit(net(x), y)\n    loss.backward()\n"
            "    opt.step()\n```"
        )
    )

    assert slugs(ranking)[0] == "silent-zero-grad-missing"


def test_a_threshold_of_one_is_never_reached(tmp_path: Path) -> None:
    careful = Searcher(LIBRARY, cache=tmp_path, threshold=1.0)
    ranking = careful.search(
        parse("RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x99 and 64x10)")
    )

    assert not ranking.answered
    assert slugs(ranking)[0] == "matmul"


def test_a_library_without_entries_answers_nothing() -> None:
    assert Searcher(()).search(parse("RuntimeError: x")) == Ranking((), False)


def test_matches_are_few_different_and_sorted(searcher: Searcher) -> None:
    ranking = searcher.search(parse("my loss is stuck and the linear layer complains"))
    confidences = [match.confidence for match in ranking.matches]

    assert len(ranking.matches) == MAX_MATCHES
    assert len(set(slugs(ranking))) == MAX_MATCHES
    assert confidences == sorted(confidences, reverse=True)
    assert all(0.0 <= confidence <= 1.0 for confidence in confidences)


def test_a_post_that_a_signature_decides_needs_neither_torch_nor_faiss(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]);"
        "from test_search import LIBRARY, Searcher, parse;"
        "r = Searcher(LIBRARY, cache=pathlib.Path(sys.argv[2])).search("
        "parse('RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x9 and 6x1)'));"
        "heavy = ('torch', 'faiss', 'sentence_transformers');"
        "print(r.answered, len(r.matches), [m for m in heavy if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.split(maxsplit=2) == ["True", str(MAX_MATCHES), "[]\n"]


def test_threads_share_a_searcher(tmp_path: Path) -> None:
    shared = Searcher(LIBRARY, cache=tmp_path)
    text = "Every time I run my model on the same image the prediction is different"

    with ThreadPoolExecutor(4) as pool:
        rankings = list(pool.map(lambda _: slugs(shared.search(parse(text))), range(8)))

    assert all(ranking == rankings[0] for ranking in rankings)


def test_identifiers_and_scripts_are_split_into_words() -> None:
    assert {"zero", "grad", "zero_grad"} <= set(tokens("optimizer.zero_grad()"))
    assert {"cross", "entropy", "loss"} <= set(tokens("CrossEntropyLoss"))
    assert tokens("勾配が") == ["勾配", "配が"]


def test_japanese_words_count_without_the_particles_between_them() -> None:
    assert tokens("テンソルの形状を確認") == ["テンソル", "形状", "確認"]
    assert tokens("です") == []


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=200)
def test_any_text_can_be_split_into_words(text: str) -> None:
    assert all(tokens(text))
