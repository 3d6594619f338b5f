"""Numbers by which states know persons, each by the check that its state defines (`python-stdnum`).

A number of digits alone with a single check digit is right by chance one time in ten. So where neither its form nor its
check says enough, the words before it must say what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.us import ssn

Span = tuple[int, int]

NEAR = 48
"""Characters before a number in which the words that say what it is may stand."""
S = r"[ .\-/]?"
GAPS = re.compile(r"[ .\-/]")


@dataclass(frozen=True, slots=True)
class Identity:
    """How a state's number is written and checked; `said_by` are words that must stand before it, None: it is plain."""

    form: re.Pattern[str]
    is_valid: Callable[[str], bool]
    said_by: re.Pattern[str] | None = None


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,$-])(?:{pattern})(?![\w$]|[.,-]\d)", re.IGNORECASE)


def _is_issued_in_britain(number: str) -> bool:
    """GB: the prefixes that are issued (HMRC, NIM39110)."""
    prefix = number[:2].upper()
    return prefix not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


IDENTITIES = (
    Identity(_form(r"\d{3}-\d{2}-\d{4}"), ssn.is_valid),
    Identity(_form(r"\d{3}[ .]?\d{2}[ .]?\d{4}"), ssn.is_valid, _words("ssn", "social security(?: number| no)?")),
    Identity(_form(rf"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]{S}(?:\d{{2}}{S}){{3}}[A-D]"), _is_issued_in_britain),
    Identity(_form(r"\d{2} \d{3} \d{3} \d{3}"), idnr.is_valid),
    Identity(
        _form(rf"(?:\d{S}){{10}}\d"),
        idnr.is_valid,
        _words("steuer-?id(?:entifikationsnummer|nr)?", "steuerliche identifikationsnummer", "idnr", "tax id", "tin"),
    ),
    Identity(_form(rf"[12]{S}\d\d{S}(?:0[1-9]|1[0-2]|[2-9]\d){S}\d[\dAB]{S}\d{{3}}{S}\d{{3}}{S}\d\d"), nir.is_valid),
    Identity(_form(rf"\d{{8}}{S}[A-Z]"), dni.is_valid),
    Identity(_form(rf"[XYZ]{S}\d{{7}}{S}[A-Z]"), nie.is_valid),
    Identity(_form(rf"[A-Z]{{3}}{S}[A-Z]{{3}}{S}\w\w[A-EHLMPRST]\w\w{S}[A-Z]\w{{3}}[A-Z]"), codicefiscale.is_valid),
    Identity(_form(rf"(?:\d{S}){{8}}\d"), bsn.is_valid, _words("bsn", "burgerservicenummer", "sofi-?nummer")),
    Identity(_form(r"\d{11}"), pesel.is_valid, _words("pesel")),
    Identity(_form(r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}"), aadhaar.is_valid),
    Identity(_form(r"[2-9]\d{11}"), aadhaar.is_valid, _words("aadhaar", "aadhar", "uidai", "uid")),
)


def national_ids(text: str) -> Iterator[Span]:
    """Numbers of persons in the forms of nine states; linear in the length of `text`."""
    for identity in IDENTITIES:
        if identity.said_by is not None and identity.said_by.search(text) is None:
            continue
        for found in identity.form.finditer(text):
            if _is_said(identity, text, found.start()) and identity.is_valid(GAPS.sub("", found.group())):
                yield found.span()


def _is_said(identity: Identity, text: str, start: int) -> bool:
    return identity.said_by is None or identity.said_by.search(text, max(0, start - NEAR), start) is not None
