"""`/v1/models`: what may be asked, in OpenAI's form: every pipeline, and every model."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from mirepoix.config import Config
from mirepoix.errors import NotFound
from mirepoix.strict import unknown
from web.door.callers import Submitter
from web.errors import ErrorReply
from web.house import house_of

BORN = 1767225600
"""OpenAI's clients want a time of creation; ours is that of the API, 2026-01-01."""

router = APIRouter(
    tags=["openai"],
    responses={"4XX": {"model": ErrorReply}, "5XX": {"model": ErrorReply, "description": "Trouble here"}},
)


class ModelReply(BaseModel):
    """A pipeline (owned by `mirepoix`), or a model (owned by its provider)."""

    id: str
    object: Literal["model"] = "model"
    created: int = BORN
    owned_by: str


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


@router.get("/v1/models")
def list_models(request: Request, caller: Submitter) -> ModelList:
    """List what `model` may be."""
    return ModelList(data=list(_known(house_of(request).config).values()))


@router.get("/v1/models/{model}")
def read_model(request: Request, caller: Submitter, model: Annotated[str, Path(max_length=200)]) -> ModelReply:
    """One of them."""
    known = _known(house_of(request).config)
    if model not in known:
        raise NotFound(unknown(f"model {model!r}", model, known))
    return known[model]


def _known(config: Config) -> dict[str, ModelReply]:
    """A pipeline goes before a model of the same name."""
    models = {key: ModelReply(id=key, owned_by=model.provider) for key, model in config.models.items()}
    return models | {name: ModelReply(id=name, owned_by="mirepoix") for name in config.pipelines}
