"""The list of jobs: filtered, searched, and read page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from db.job_pages import JobFilter, list_page
from mirepoix.ledger.read import read_jobs, read_states
from mirepoix.ledger.tables import now
from mirepoix.states import JobState
from web.house import house_of
from web.pages.paths import path_of
from web.pages.render import render

SINCE = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
FIELDS = ("state", "pipeline", "model", "tenant", "since", "text")
ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What the visitor filled in, as it stands in the form."""

    fields: dict[str, str]

    @property
    def wanted(self) -> JobFilter:
        """The filter it means. Raises HTTPException for a state or a time that does not exist."""
        given = self.fields
        if given["state"] and given["state"] not in [state.value for state in JobState]:
            raise HTTPException(400, f"no state {given['state']!r}. There are: {', '.join(JobState)}.")
        if given["since"] and given["since"] not in SINCE:
            raise HTTPException(400, f"since takes one of {', '.join(SINCE)}.")
        return JobFilter(
            state=JobState(given["state"]) if given["state"] else None,
            pipeline=given["pipeline"] or None,
            model=given["model"] or None,
            tenant=given["tenant"] or None,
            since=now() - SINCE[given["since"]] if given["since"] else None,
            text=given["text"] or None,
        )


def show(request: Request) -> Response:
    """A page of jobs; the id of one, given as the text, leads to that job."""
    house = house_of(request)
    asked = Asked({name: request.query_params.get(name, "").strip()[:LONGEST_TEXT] for name in FIELDS})
    with house.client.database.read() as connection:
        text = asked.fields["text"].upper()
        if ID.fullmatch(text) and read_states(connection, [text]):
            return RedirectResponse(path_of(request, "job", job=text), 303)
        page = list_page(connection, asked.wanted, _place(request.query_params.get("after")))
        views = read_jobs(connection, page.ids)
    return render(
        request,
        "jobs.html",
        asked=asked.fields,
        jobs=views,
        page=page,
        older=_older(request, asked, page.after),
        states=list(JobState),
        since=list(SINCE),
        pipelines=sorted(house.config.pipelines),
        models=sorted(house.config.models),
    )


def _older(request: Request, asked: Asked, after: str | None) -> str | None:
    if after is None:
        return None
    given = {name: value for name, value in asked.fields.items() if value}
    return f"{path_of(request, 'jobs')}?{urlencode({**given, 'after': after})}"


def _place(given: str | None) -> str | None:
    if given and not ID.fullmatch(given):
        raise HTTPException(400, "this place in the list does not exist; begin at its top.")
    return given or None
