"""Takes out of a post what nobody else should read: secrets, addresses, names of people in paths.

detect-secrets was tried first: of GitHub's and GitLab's tokens it hands back the prefix only, and
it knows nothing of Hugging Face, so the patterns stand here, each with a test.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

SECRET: Final = "[secret]"  # noqa: S105 - what stands in place of one
USER: Final = "[user]"
EMAIL: Final = "[email]"
ADDRESS: Final = "[address]"
PERSON: Final = "[person]"

_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,40}-----|\Z)",
    re.DOTALL,
)
_IN_URL = re.compile(r"(?<=://)[^\s/@'\"]{0,300}:[^\s/'\"]{1,300}@|(?<=://)[^\s/@:'\"]{12,300}@")
_TOKENS = re.compile(
    r"""
      (?<![A-Za-z0-9])(?:
        hf_[A-Za-z0-9]{16,}                                   # Hugging Face
      | gh[pousr]_[A-Za-z0-9]{16,} | github_pat_[A-Za-z0-9_]{20,}
      | glpat-[\w-]{16,}                                      # GitLab
      | (?:sk|pk|rk)[-_](?:[\w]{1,20}[-_]){0,3}[\w-]{16,}     # OpenAI, Anthropic, Stripe
      | (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}              # AWS
      | AIza[\w-]{30,}                                        # Google
      | xox[a-z]-[A-Za-z0-9-]{10,}                            # Slack
      | npm_[A-Za-z0-9]{30,} | pypi-[\w-]{30,}
      | [MNO][A-Za-z\d_-]{22,27}\.[\w-]{6}\.[\w-]{25,}        # Discord
      | \d{8,10}:AA[\w-]{30,}                                 # Telegram
      | eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                       # JSON web tokens
      )
    | (?<=/api/webhooks/)\d{5,25}/[\w-]{20,}                  # Discord's webhooks
    """,
    re.VERBOSE,
)
_NAMED = re.compile(
    r"""
    (?P<name>\b[\w-]{0,40}(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key
        |auth[_-]?token|access[_-]?token|bearer|authorization)[\w-]{0,20}["']?
        \s{0,4}(?:[:=]\s{0,4}(?:bearer\s{1,4})?|\s{1,4}))
    (?P<quote>["']?)(?P<value>[^\s"'(){}\[\],;]{4,200})(?=["'\s,;)}\]]|\Z)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A value that is named for what it is; calls and look-ups (`getpass()`) hold brackets."""
_LONG = re.compile(
    r"(?<![\w/+-])(?:[0-9a-fA-F]{32,}"
    r"|(?=[\w+/-]{0,200}[a-z])(?=[\w+/-]{0,200}[A-Z])(?=[\w+/-]{0,200}\d)[\w+-]{40,}={0,2})(?![\w/+-])"
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_PROMPT = re.compile(r"(?<![\w.+-])[\w.-]{1,64}@[\w.-]{1,100}(?=:\s?[~/])")
_V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{6,39}(?![\w:])")
_MENTION = re.compile(r"<@[!&]?\d{1,20}>")
_HOME = re.compile(
    r"(?P<place>(?:/home/|/Users/|/scratch/|[A-Za-z]:[\\/]{1,2}Users[\\/]{1,2}|/mnt/[a-z]/Users/))"
    r"(?P<user>[^\s/\\:'\"<>|]{1,64})"
)
_NOBODY = frozenset({"user", "users", "runner", "root", "ubuntu", "jovyan", "Public", USER})
"""Names that many machines have in common."""
_SHORTEST = 4
"""Characters of a name that is also looked for elsewhere in the text; shorter ones are words."""


def redact(text: str) -> str:
    """`text` without secrets, and without what names people and machines. Leaves messages whole."""
    text = _KEY_BLOCK.sub(SECRET, text)
    text = _MENTION.sub(PERSON, text)
    text = _IN_URL.sub(f"{SECRET}@", text)
    text = _TOKENS.sub(SECRET, text)
    text = _NAMED.sub(_without_value, text)
    text = _LONG.sub(SECRET, text)
    text = _PROMPT.sub(f"{USER}@{ADDRESS}", text)
    text = _EMAIL.sub(EMAIL, text)
    text = _V4.sub(_without_address, text)
    text = _V6.sub(_without_address, text)
    return _without_users(text)


def _without_value(found: re.Match[str]) -> str:
    # `secret = None`, `token is invalid`: words that say nothing. A word after a mere space is one.
    bare = not found["quote"] and not re.search(r"[:=]", found["name"])
    if found["value"] in {"None", "True", "False", "null", SECRET} or (
        bare and not re.search(r"\d", found["value"])
    ):
        return found[0]
    return f"{found['name']}{found['quote']}{SECRET}"


def _without_address(found: re.Match[str]) -> str:
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return found[0]
    return found[0] if address.is_loopback or address.is_unspecified else ADDRESS


def _without_users(text: str) -> str:
    users = {found["user"] for found in _HOME.finditer(text)} - _NOBODY
    text = _HOME.sub(
        lambda found: found[0] if found["user"] in _NOBODY else f"{found['place']}{USER}", text
    )
    for user in sorted(users, key=len, reverse=True):
        if len(user) >= _SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(user)}(?!\w)", USER, text)
    return text
