"""The words of the static site, in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from knowledge.entry import Kind
from knowledge.language import Language

NAMES: Final = {Language.EN: "English", Language.JA: "日本語", Language.ZH: "简体中文"}


@dataclass(frozen=True)
class Words:
    """The words of the site in one language."""

    title: str
    lead: str
    said: str
    symptoms: str
    version: str
    wording: str
    recorded: str
    kinds: Mapping[Kind, str]
    categories: Mapping[str, str]


WORDS: Final = {
    Language.EN: Words(
        title="PyTorch error index",
        lead="{count} errors, warnings and silent pitfalls of PyTorch: what each means, why it "
        "happens, and code that was run, as it fails and as it works. Type the message into the "
        "search, or what you see in your own words.",
        said="What PyTorch says",
        symptoms="How people describe it",
        version="torch",
        wording="Message",
        recorded="This failure needs more than a CPU and is shown by a recorded message.",
        kinds={
            Kind.ERROR: "Error",
            Kind.WARNING: "Warning",
            Kind.SILENT: "Silent pitfall",
            Kind.TIP: "Question",
        },
        categories={
            "shape": "Shapes",
            "dtype": "Data types",
            "device": "Devices",
            "memory": "Memory",
            "autograd": "Gradients",
            "loss": "Losses",
            "data": "Data loading",
            "module": "Modules and optimizers",
            "environment": "Installation and environment",
            "distributed": "Several processes and GPUs",
            "silent": "No error, and still wrong",
            "tips": "How do I …?",
        },
    ),
    Language.JA: Words(
        title="PyTorch エラー索引",
        lead="PyTorch のエラー、警告、黙って起きる落とし穴を {count} 件収録。意味、原因、そして"
        "実際に動かした「失敗するコード」と「動くコード」を載せています。メッセージをそのまま、または困って"
        "いることを自分の言葉で検索してください。",
        said="PyTorch のメッセージ",
        symptoms="よくある訴え方",
        version="torch",
        wording="メッセージ",
        recorded="この失敗は CPU だけでは起こせないため、記録したメッセージで示しています。",
        kinds={
            Kind.ERROR: "エラー",
            Kind.WARNING: "警告",
            Kind.SILENT: "黙って起きる落とし穴",
            Kind.TIP: "質問",
        },
        categories={
            "shape": "形状",
            "dtype": "データ型",
            "device": "デバイス",
            "memory": "メモリ",
            "autograd": "勾配",
            "loss": "損失",
            "data": "データの読み込み",
            "module": "モジュールとオプティマイザ",
            "environment": "インストールと環境",
            "distributed": "複数プロセスと複数 GPU",
            "silent": "エラーは出ないのにおかしい",
            "tips": "こんなときは？",
        },
    ),
    Language.ZH: Words(
        title="PyTorch 错误索引",
        lead="收录 PyTorch 的 {count} 种错误、警告和不报错的陷阱：它是什么意思、为什么会发生，"
        "以及实际运行过的出错代码和正确代码。可以直接搜索报错信息，也可以用自己的话描述问题。",
        said="PyTorch 的报错信息",
        symptoms="大家怎么描述它",
        version="torch",
        wording="信息",
        recorded="这个错误仅用 CPU 无法重现，这里用记录下来的信息展示。",
        kinds={
            Kind.ERROR: "错误",
            Kind.WARNING: "警告",
            Kind.SILENT: "不报错的陷阱",
            Kind.TIP: "问题",
        },
        categories={
            "shape": "形状",
            "dtype": "数据类型",
            "device": "设备",
            "memory": "内存与显存",
            "autograd": "梯度",
            "loss": "损失",
            "data": "数据加载",
            "module": "模块与优化器",
            "environment": "安装与环境",
            "distributed": "多进程与多 GPU",
            "silent": "不报错却不对",
            "tips": "怎么做？",
        },
    ),
}
