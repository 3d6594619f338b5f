"""`/v1/autoscale`: how many worker processes each provider is worth, for a scaler such as KEDA."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from tasks.autoscale import read_sizings
from web.door.callers import Reader
from web.errors import ErrorReply
from web.house import house_of

router = APIRouter(
    tags=["operators"],
    responses={"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply, "description": "Trouble here"}},
)


class Autoscale(BaseModel):
    """Worker processes by provider. The reasons, which tell of everybody's load, are for `mirepoix autoscale` only."""

    workers: dict[str, int]


@router.get("/v1/autoscale")
def read_autoscale(request: Request, caller: Reader) -> Autoscale:
    """Say how many worker processes each provider is worth now."""
    house = house_of(request)
    sizings = read_sizings(house.client.database, house.config, house.settings.redis_url)
    return Autoscale(workers={provider: sizing.workers for provider, sizing in sizings.items()})
