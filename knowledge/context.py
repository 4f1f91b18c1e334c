"""What surrounds an error in a post: is it about PyTorch at all, and does anybody ask anything?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from knowledge.post import Post

# ASCII: Japanese and Chinese are written right beside Latin words, which `\b` would else not see.
_FLAGS: Final = re.IGNORECASE | re.ASCII
_TORCH = re.compile(
    r"torch|\.pth?\b|\bnn\.(?:Module|[A-Z]\w+)|\bautograd\b|state_dict|\bDataLoader\b"
    r"|\.backward\(|\.cuda\("
    r"|\bcuda:\d|\bgrad_fn\b|\bzero_grad\b|\bCrossEntropyLoss\b|\bBCE\w*Loss\b|\bMSELoss\b"
    r"|\baten\b|\benforce fail at\b|\bDefaultCPUAllocator\b|\bc10(?:d\b|::)"
    r"|\bProcessGroup|\bTensor\b|\bFunction '\w+Backward\d?'",
    _FLAGS,
)
_GENERAL = re.compile(
    r"\bobject has no attribute|\bpositional argument|\bkeyword argument|values? to unpack|WinError"
    r"|\bDLL\b|\[?Errno|shared object|Address already|open files|load key|pickle|\bEOF\b|EOFError"
    r"|No module named|cannot import name|Can't get attribute|NotImplemented|has no len"
    r"|not callable"
    r"|undefined symbol|Broken ?Pipe|out of memory|No space left|not subscriptable|not iterable"
    r"|unsupported operand|division by zero|referenced before|name '.{1,60}' is not defined",
    _FLAGS,
)
_TORCH_WORDING = re.compile(
    r"torch|tensor|cuda|cudnn|cublas|nccl|autograd|dataloader|state_dict|\bmps\b|module\.forward"
    r"|subclasses of dataset|'zero_'|\.grad\b|\bgrad_fn\b|\bbackward\b"
    r"|\bReduceLROnPlateau\.step\b|\bPackedSequence\b",
    _FLAGS,
)
_FOREIGN = re.compile(
    r"\btensorflow\b|\bkeras\b|\bjax(?:lib)?\b|\bflax\b|\bmxnet\b|\bgluon\b|\bpaddle(?:paddle)?\b"
    r"|\bturtle\b|\bsklearn\b|\bscikit|\bcupy\b|\bonnxruntime\b|\bnpm\b|\bnode_modules\b|\bdjango\b"
    r"|\bspring\b|\bjava\b|\bgradle\b|\bmaven\b|\bstreamlit\b|\bflask\b|\bdocker:|\bwandb\b"
    r"|\bomegaconf\b|\bhydra\b|\bllama(?:\.cpp|-server)|\bgguf\b|\bffmpeg\b|\breact\b|\brust\b"
    r"|\bmatlab\b|\bopencv\b|\bcv2\.error|\bselenium\b|\bpygame\b|\btheano\b|\boptax\b"
    r"|\bpandas\b|\bxgboost\b|\blightgbm\b|\bpyspark\b|\bkotlin\w*\b|\bandroid\b|\bunity\b"
    r"|\bvrchat\b|\bblender\b|\bunreal\b|\bshader\b|\bwebpack\b|\bexpress:|\bnode:|\bvue\w?\b"
    r"|\bnginx\b|\bpostgres\w*\b|\bpsycopg2?\b|\bmysql\b|\bsqlite3?\b|\bredis\b|\bexcel\b|\blatex\b"
    r"|\bgit (?:lfs|push|pull)\b|\b\w+\.(?:java|kt|cs|rs|js|jsx|ts|tsx):\d|\bgolang\b|\bmacro\b"
    r"|(?<![/\w])\w+\.(?:cu:\d|cpp:\d+:\d)|\bC\+\+|\bros2\b|\barduino\b|\bfortran\b|\bbeautifulsoup\b"
    r"|\bbs4\b|\brequests\b|\blxml\b",
    _FLAGS,
)
_LEARNING = re.compile(
    r"\bloss\b|\bepochs?\b|\btrain(?:ing|ed|s)?\b|\bmodel\b|\bgradients?\b|\baccuracy\b|\bbatch\b"
    r"|\boptimi[sz]er\b|\blearning rate\b|\blr\b|\bnet(?:work)?\b|\bweights?\b|\blayers?\b|\bgpu\b"
    r"|\bnan\b|\bdropout\b|\bbatch ?norm\b|\bsoftmax\b|\bsigmoid\b|\bvalidation\b"
    r"|\bparam(?:eter)?s?\b|\btensors?\b|\bpredict\w*\b|\binference\b|\bcheckpoints?\b|\bseeds?\b"
    r"|\breshape\w*\b|\bclassif\w+\b|\bnum_workers\b|\blabels?\b"
    r"|損失|学習|勾配|モデル|重み|精度|推論|訓練|最適化|バッチ|エポック|層|テンソル|予測|乱数|シード|再現"
    r"|损失|训练|梯度|模型|权重|准确率|推理|网络|学习率|显存|显卡|收敛|批次|张量|预测|随机|种子|复现|标签",
    _FLAGS,
)
_ASKING = re.compile(
    r"[?？]|\bwhy\b|\bhow (?:do|can|come|to)\b|\bwhat(?:'s| is| am)\b.{0,40}wrong"
    r"|\bhelp me\b|\bplease help|\bcan anyone"
    r"|\bany idea|\bsupposed to\b|\bis (?:this|that|it) (?:normal|right|ok)|\bno idea\b|\bstuck\b"
    r"|\bdon'?t (?:get|understand)"
    r"|なぜ|どうして|何故|でしょう|ですか|ますか|教えて|わからな|分からな|わかりません"
    r"|原因|困っ|[るたい]のに|ません"
    r"|为什么|为啥|怎么|咋|请问|求助|求解|是不是|吗|怎样|如何|不知道|问一下",
    _FLAGS,
)
_TROUBLE = re.compile(
    r"\bnot\b|n't\b|\bnever\b|\bno longer\b|\bstill\b|\bwrong\b|\bstuck\b|\bslow(?:er|ly)?\b"
    r"|\bflat\b|\bworse\b|\bfails?\b|\bfailing\b|\bfailed\b|\bbroken\b|\bnans?\b|\brandom\b"
    r"|\bstrange\b"
    r"|\bweird\b|\bscrambled\b|\bmissing\b|\bsame class\b|\bchanges? every\b|\bjumps?\b"
    r"|\bgrow(?:s|ing)\b"
    r"|\bwarning\b|\berrors?\b|\balways\b|\bonly\b|\bdiffer\w*\b"
    r"|ない|ません|なくな|おかし|違う|違い|遅い|遅く|バラバラ|ばらばら|失敗|エラー|警告|毎回|ままで|止ま|変わ|崩れ"
    r"|増え|横ばい|落ち|固ま"
    r"|不动|不降|不下|不变|不一样|不同|不对|没变|没有变|没训|没动|卡[在住死顿]|很慢|特别慢|越来越|很差|变差|报错|警告|全是|一直|乱的|错乱|崩"
    r"|反而|飘|不了|失败|涨|爆|怪",
    _FLAGS,
)
_SETTLED = re.compile(
    r"\bchange ?logs?\b|\brelease notes?\b|^#{0,4}\s*v?\d+\.\d+(?:\.\d+)?\b"
    r"|^\s*[*-] (?:fix(?:ed)?|feat|docs|add(?:ed)?)\b"
    r"|\bnewsletter\b|\bblog post\b|\bwas merged\b|\bPR is up\b|\breview please\b"
    r"|\bplease review\b|\bmy notes\b"
    r"|\bfixed it\b|\bsolved\b|\bnever ?mind\b|\bthanks?\b.{0,60}\b(?:works?|fixed|stable|help)\b"
    r"|\bworks now\b"
    r"|\bclose (?:the|this) (?:thread|issue)\b|\bhere is (?:the|my)\b|\bcongrat\w*\b|\bfinished\b"
    r"|リリースノート|更新履歴|ブログ|共有します|レビュー(?:を)?お願い|直りました|解決しました|ありがとうございました"
    r"|完成しました|終わりました|修正しました|追加しました"
    r"|更新日志|博客|公告|分享一?[个下]|已经改好|已提交|解决了|就好了|搞定|谢谢大佬|感谢各位|修复|已完成",
    _FLAGS | re.MULTILINE,
)
_MAX_COUNT = 4


@dataclass(frozen=True)
class Context:
    """Signs in a post, each counted up to four different words.

    `torch`: names that only PyTorch code and messages have. `foreign`: names of other frameworks,
    languages and tools. `learning`: words of training neural networks. `asking`: signs that
    somebody wants to know something. `trouble`: words for what goes wrong. `settled`: signs that
    nothing is asked: release notes, thanks, work that is shown.
    """

    torch: int
    foreign: int
    learning: int
    asking: int
    trouble: int = 0
    settled: int = 0


def read_context(post: Post) -> Context:
    """The signs in `post`; questions count in what the learner wrote, not in messages or code."""
    words = post.prose + "\n" + comments(post)
    return Context(
        _count(_TORCH, post.text),
        _count(_FOREIGN, post.text),
        _count(_LEARNING, post.text),
        _count(_ASKING, words),
        _count(_TROUBLE, words),
        _count(_SETTLED, words),
    )


def is_general_wording(text: str) -> bool:
    """Whether Python or the system raise such a message in any program, not only in torch."""
    return _GENERAL.search(text) is not None and _TORCH_WORDING.search(text) is None


_COMMENT = re.compile(r"(?:#|//)\s*([^\n]*)")


def comments(post: Post) -> str:
    """The comments in the code of `post`, one a line."""
    return "\n".join(found for block in post.code for found in _COMMENT.findall(block))


def _count(pattern: re.Pattern[str], text: str) -> int:
    seen: set[str] = set()
    for found in pattern.finditer(text):
        seen.add(found[0].lower())
        if len(seen) == _MAX_COUNT:
            break
    return len(seen)
