"""The body of `POST /v1/chat/completions`, as far as Mirepoix heeds it.

Source: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from web.door.requests import PRINTABLE, Json, MostUsd, Tags, Text64

MOST_MESSAGES = 1_000
NOT_DONE: dict[str, tuple[JsonValue, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": (),
    "functions": (),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "top_logprobs": (0,),
    "verbosity": (),
    "web_search_options": (),
}
"""Parameters that no pipeline or model can be given, and the values besides null that ask for nothing."""


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


class CalledFunction(_Wire):
    """A function that was asked for, and its arguments as JSON text."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    arguments: str


class MadeCall(_Wire):
    """A call of a tool that an earlier answer asked for."""

    id: Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
    type: Literal["function"]
    function: CalledFunction


class Message(_Wire):
    """What one side said; `content` may be null where an assistant asked for tools. A `tool` says what a call gave."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: Annotated[list[MadeCall], Field(max_length=128)] | None = None
    tool_call_id: Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)] | None = None

    @model_validator(mode="after")
    def _has_what_its_role_says(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("a message has content; only an assistant's that asks for tools may have none")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls are the assistant's")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("a message of the role tool, and no other, has a tool_call_id")
        return self


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
    `metadata` becomes the job's tags. `tenant`, `task`, `max_cost`, `deadline` (seconds) and `priority` are Mirepoix's
    own, as at `/v1/jobs`. What would change the answer and cannot be done is refused (`NOT_DONE`); all else
    that it does not know it passes over.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

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
    metadata: Tags | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage
