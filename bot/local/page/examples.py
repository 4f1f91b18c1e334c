"""The posts that a newcomer can try with one click: real code, real messages of PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from knowledge.language import Language

_FOLDER = Path(__file__).parent / "examples"


@dataclass(frozen=True)
class Example:
    """A post of the file `examples/<name>.txt`, with the words on its button."""

    name: str
    language: Language
    title: str
    teaser: str

    @property
    def text(self) -> str:
        return (_FOLDER / f"{self.name}.txt").read_text(encoding="utf-8").rstrip()


EXAMPLES = (
    Example(
        "shapes",
        Language.EN,
        "A traceback in English",
        "mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)",
    ),
    Example(
        "target",
        Language.JA,
        "日本語の質問とコード",
        "CrossEntropyLoss で Float と Long のエラーになります",
    ),
    Example(
        "accuracy",
        Language.ZH,
        "用中文描述的现象",
        "没有报错，但同一张图片每次预测结果都不一样",
    ),
)


def find(name: str) -> Example | None:
    return next((example for example in EXAMPLES if example.name == name), None)
