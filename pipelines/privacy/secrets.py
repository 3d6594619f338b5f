"""Keys, tokens and passwords."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

Span = tuple[int, int]

TOKEN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?<![\w-])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}|glpat-[\w-]{20,64}"  # GitHub, GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-\d-[A-Z0-9]{6,}-[\w-]{10,255}"  # Slack
    r"|sk-(?:proj-|svcacct-|admin-|ant-(?:api|admin)\d\d-|or-v1-)?(?=[\w-]{0,60}\d)[\w-]{20,255}"  # OpenAI, Anthropic
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,255}"  # Google
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}|whsec_[A-Za-z0-9+/=]{24,255}"  # Stripe
    r"|hf_[A-Za-z0-9]{30,255}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,255}|SG\.[\w-]{16,32}\.[\w-]{16,64}"
    r"|eyJ[\w-]{8,4096}+\.eyJ[\w-]{8,8192}+\.[\w-]{8,4096}+"  # JSON Web Token
    r")(?![A-Za-z0-9])"
    r"|https://hooks\.slack\.com/(?:services|workflows)/[\w/]{20,255}"
)
IN_URL = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}+://[^\s:/@\"'<>${}]{0,100}+:([^\s/@\"'<>]{3,200}+)@", re.IGNORECASE
)
ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|passwort|passphrase|mot de passe|contrase[nñ]a|pwd|secret|credentials?|"
    r"(?:api|access|auth|account|private|secret|encryption|signing|master|bearer)[ _-]?(?:key|token)|token)"
    r"[\"']?[ \t]{0,3}(?:[:=]|=>|:=|\bis\b)[ \t]{0,3}(?:bearer )?"
    r"(?:\"([^\"\n]{6,200})\"|'([^'\n]{6,200})'|([^\s\"'`,;()<>{}\[\]]{6,200}))(?![\w(\[])",
    re.IGNORECASE,
)
BEARER = re.compile(
    r"\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:bearer|basic|token)\s{1,3}([\w.~+/=-]{12,4096}+)", re.IGNORECASE
)
STANDS_FOR_ONE = re.compile(
    r"^[<{\[$%]|\$\{|\{\{|\*{3}|x{4}|\.{3}|^(?:your|my|the|some|example|sample|dummy|changeme|placeholder|none|null|"
    r"true|false|undefined|process\.|os\.|env\.|self\.|config\.|settings\.)|environ|getenv|redacted",
    re.IGNORECASE,
)
"""What is written where a secret is not told: `<key>`, `${KEY}`, `xxxx`, `your-key-here`."""
LEAST_ENTROPY = 2.5
"""Bits a character. Words of English have about 2.5 to 3 as texts of their own length; so classes must be mixed too."""


def secrets(text: str) -> Iterator[Span]:
    """Tokens by the forms that their issuers gave them, passwords in URLs, and what is assigned to a telling name."""
    yield from (found.span() for found in TOKEN.finditer(text))
    for found in IN_URL.finditer(text):
        if STANDS_FOR_ONE.search(found.group(1)) is None:
            yield found.span(1)
    for found in ASSIGNED.finditer(text):
        if _looks_random(found[found.lastindex or 0]):
            yield found.span(found.lastindex or 0)
    for found in BEARER.finditer(text):
        if _looks_random(found.group(1)):
            yield found.span(1)


def _looks_random(value: str) -> bool:
    """Whether `value` mixes letters with digits (or three classes of characters) and repeats little; no placeholder."""
    if " " in value or STANDS_FOR_ONE.search(value):
        return False
    upper, lower = any(c.isupper() for c in value), any(c.islower() for c in value)
    digit, other = any(c.isdigit() for c in value), any(not c.isalnum() for c in value)
    mixed = ((upper or lower) and digit) or (upper and lower and other)
    return mixed and _entropy(value) >= LEAST_ENTROPY


def _entropy(value: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())
