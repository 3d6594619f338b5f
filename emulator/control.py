"""What no provider has: the bill, the faults and the state of the emulator itself."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.bill_query import BillQuery
from emulator.endpoint import Emulator
from emulator.faults import FaultList
from emulator.scenario import check_faults
from mirepoix.errors import ConfigError


class Control:
    """The pages; none of them is on the bill."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def bill(self, request: Request) -> Response:
        """The totals of the bill, or with `rows=1` its rows; either of those rows that the query names."""
        try:
            query = BillQuery.model_validate(dict(request.query_params))
        except ValidationError as error:
            return _misuse(error)
        if query.rows:
            return JSONResponse({"rows": await self._emulator.bill.rows(query)})
        total = await self._emulator.bill.total(query)
        return JSONResponse(total.as_json())

    async def faults(self, request: Request) -> Response:
        """GET: the active faults and how often each struck; POST: replace them; DELETE: none from now on."""
        if request.method == "POST":
            try:
                told = FaultList.model_validate_json(await request.body())
                check_faults(told.faults, self._emulator.settings.models)
            except ValidationError as error:
                return _misuse(error)
            except ConfigError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            self._emulator.faults.replace(told.faults)
        elif request.method == "DELETE":
            self._emulator.faults.replace(())
        return JSONResponse({"faults": self._emulator.faults.as_json()})

    async def health(self, _: Request) -> Response:
        """That the emulator is there, and what it was started with."""
        settings = self._emulator.settings
        return JSONResponse({"status": "ok", "seed": settings.seed, "models": sorted(settings.models)})


def _misuse(error: ValidationError) -> Response:
    problems = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        for problem in error.errors()
    ]
    return JSONResponse({"error": "\n".join(problems)}, status_code=400)
