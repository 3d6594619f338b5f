"""The body of `POST /v1/chat/completions`, as far as Mirepoix heeds it; what it does not know it passes over.

Source: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from web.door.requests import Json, MostUsd, Text64

MOST_MESSAGES = 1_000


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(_Wire):
    """A text of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(_Wire):
    """Where a picture is: `https://…`, or `data:image/…;base64,…`."""

    url: str


class ImagePart(_Wire):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


class FileData(_Wire):
    """A document as `data:…;base64,…`, and its name."""

    file_data: str
    filename: str | None = None


class FilePart(_Wire):
    """A document of a message."""

    type: Literal["file"]
    file: FileData


Part = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]


class Message(_Wire):
    """What one side said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]


class TextFormat(_Wire):
    """Any text; the default."""

    type: Literal["text"]


class JsonFormat(_Wire):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(_Wire):
    """A JSON Schema with a name."""

    name: str
    schema_: dict[str, Any] = Field(alias="schema")


class SchemaFormat(_Wire):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


Format = Annotated[TextFormat | JsonFormat | SchemaFormat, Field(discriminator="type")]


class Function(_Wire):
    """A function that the model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


class FunctionTool(_Wire):
    """The only kind of tool that all providers know."""

    type: Literal["function"]
    function: Function


class FunctionName(_Wire):
    """A function by name."""

    name: str


class ToolChoice(_Wire):
    """One tool that must be asked for."""

    type: Literal["function"]
    function: FunctionName


class StreamOptions(_Wire):
    """What a stream tells beside the answer."""

    include_usage: bool = False


class ChatRequest(_Wire):
    """A conversation for `model`: a pipeline or a model of `mirepoix.yaml`.

    Sampling, bounds of length and tools go to a model; a pipeline has settings of its own, and passes over them.
    `tenant`, `task`, `max_cost`, `deadline` (seconds) and `priority` are Mirepoix's own, as at `/v1/jobs`.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = 1
    logprobs: Literal[False] | None = False
    response_format: Format | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: Json | None = None
    seed: int | None = None
    max_tokens: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    tenant: Text64 | None = None
    task: Text64 | None = None
    max_cost: MostUsd | None = None
    deadline: Annotated[float, Field(gt=0, le=3600)] | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage
