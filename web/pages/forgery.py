"""What a form must bring along, so that no foreign page can send it in a visitor's name.

The same random token stands in a cookie, which no other site can read or have sent along, and in the form.
"""

from __future__ import annotations

import secrets
from hmac import compare_digest
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "mirepoix_form"
FIELD = "token"
LONGEST_FORM = 1_000_000


def token_of(request: Request) -> str:
    """The visitor's token, or a new one."""
    known = request.cookies.get(COOKIE, "")
    return known if len(known) >= 32 else secrets.token_urlsafe(32)


def remember(response: Response, token: str) -> None:
    """Give the visitor the token."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form, the first value of each; raises HTTPException for what is none."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "a form is expected.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            raise HTTPException(413, f"the form has more than {LONGEST_FORM:,} bytes.")
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "the form cannot be read.") from error
    return {name: values[0] for name, values in fields.items()}


def require_token(request: Request, form: dict[str, str]) -> None:
    """Raise HTTPException unless the form was sent from one of our pages."""
    known = request.cookies.get(COOKIE, "")
    foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if foreign or not known or not compare_digest(known.encode(), form.get(FIELD, "").encode()):
        raise HTTPException(403, "this form was not sent from a page of ours; open the page again and repeat it.")
