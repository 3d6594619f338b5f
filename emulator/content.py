"""The content of a message, which both wire formats give as a text or as a list of typed parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

PARTS = "<parts>"


class TextPart(BaseModel):
    """A part that is text."""

    type: Literal["text"]
    text: str


class OtherPart(BaseModel):
    """An image, a tool's result and so on; of these only a nested text is read."""

    model_config = ConfigDict(extra="ignore")

    type: str
    content: Any = None


def _kind_of_part(part: object) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return "<text>" if kind == "text" else "<other>"


def _kind_of_content(content: object) -> str | None:
    if isinstance(content, str):
        return "<string>"
    return PARTS if isinstance(content, list) else None


Part = Annotated[
    Annotated[TextPart, Tag("<text>")] | Annotated[OtherPart, Tag("<other>")], Discriminator(_kind_of_part)
]
Content = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[list[Part], Tag(PARTS)], Discriminator(_kind_of_content)
]


def is_tag(location: int | str) -> bool:
    """Whether this piece of an error's location only tells which form the content took."""
    return isinstance(location, str) and location.startswith("<")


def text_of(content: Any) -> str:
    """The text of a content, validated or (inside a tool's result) as sent; newlines join its parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, TextPart):
        return content.text
    if isinstance(content, OtherPart):
        return text_of(content.content)
    if isinstance(content, dict):
        return text_of(content.get("text", content.get("content")))
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := text_of(part)))
    return ""
