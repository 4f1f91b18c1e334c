"""The languages that the tutor speaks, and which of them a text is written in."""

from __future__ import annotations

import re
from enum import StrEnum

_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc\uff66-\uff9d]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


class Language(StrEnum):
    """A language with a full set of entries and interface texts."""

    EN = "en"
    JA = "ja"
    ZH = "zh"


def detect_language(text: str) -> Language:
    """The language of `text`, judged by its script.

    Kana decide for Japanese, because Chinese never uses them but to quote: one in ten characters
    is asked for, where Japanese sentences have one in three. Han characters are Chinese otherwise;
    everything else is answered in English, the language of the error messages.
    Two characters at least are asked for, so that a lone name or symbol does not decide.
    """
    kana, han = len(_KANA.findall(text)), len(_HAN.findall(text))
    if kana >= 2 and kana * 9 >= han:
        return Language.JA
    if han >= 2:
        return Language.ZH
    return Language.EN
