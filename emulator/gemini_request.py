"""The body of a Gemini request: its messages, as the official SDK's types (google-genai 3.6) name them.

What is `Any` is taken and changes nothing here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from emulator.gemini_proto import Base64, EnumName, Proto


class InlineData(Proto):
    """A file within the request."""

    mime_type: str
    data: Base64
    display_name: Any = None


class FileData(Proto):
    """A file somewhere else."""

    mime_type: str | None = None
    file_uri: str
    display_name: Any = None


class FunctionCall(Proto):
    """A call of a tool, in a turn of the model."""

    id: str | None = None
    name: str
    args: dict[str, Any] | None = None


class FunctionResponse(Proto):
    """What a tool said."""

    name: str
    response: dict[str, Any]
    id: str | None = None
    parts: Any = None
    scheduling: Any = None
    will_continue: Any = None


class Part(Proto):
    """A part of a content: one of its data, and what else is said about it."""

    text: str | None = None
    inline_data: InlineData | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    thought: bool = False
    thought_signature: str | None = None
    video_metadata: Any = None
    media_resolution: Any = None
    part_metadata: Any = None
    audio_transcription: Any = None
    document_metadata: Any = None
    media_processing: Any = None
    speech_metadata: Any = None
    spreadsheet_metadata: Any = None
    tool_call: Any = None
    tool_response: Any = None

    @property
    def has_data(self) -> bool:
        """Whether one of its data is there; to the API, an empty text is none."""
        return bool(self.text) or any(getattr(self, name) is not None for name in _DATA)


_DATA = (
    "inline_data",
    "file_data",
    "function_call",
    "function_response",
    "executable_code",
    "code_execution_result",
)


class Content(Proto):
    """One turn; the API takes any text as a role, and refuses those that it does not know."""

    role: str | None = None
    parts: tuple[Part, ...] = ()


class ThinkingConfig(Proto):
    """How long the model may think (`thinking_budget`, in tokens; -1: as it likes), and whether it says what."""

    include_thoughts: bool = False
    thinking_budget: int | None = None
    thinking_level: (
        Annotated[Literal["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"], EnumName] | None
    ) = None


class GenerationConfig(Proto):
    """How to answer."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    stop_sequences: tuple[str, ...] = ()
    candidate_count: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | bool | None = None
    thinking_config: ThinkingConfig | None = None
    response_logprobs: bool = False
    logprobs: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_modalities: Any = None
    speech_config: Any = None
    image_config: Any = None
    media_resolution: Any = None
    audio_transcription_config: Any = None
    enable_enhanced_civic_answers: Any = None
    translation_config: Any = None
    response_format: Any = None


class FunctionDeclaration(Proto):
    """A tool that may be called."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | bool | None = None
    response: Any = None
    response_json_schema: Any = None
    behavior: Any = None


class Tool(Proto):
    """Tools of one's own; Google's own ones change nothing here."""

    function_declarations: tuple[FunctionDeclaration, ...] = ()
    code_execution: Any = None
    computer_use: Any = None
    file_search: Any = None
    google_maps: Any = None
    google_search: Any = None
    google_search_retrieval: Any = None
    mcp_servers: Any = None
    url_context: Any = None


class FunctionCallingConfig(Proto):
    """Whether and which tool must be called."""

    mode: Annotated[Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"], EnumName] = "AUTO"
    allowed_function_names: tuple[str, ...] = ()
    stream_function_call_arguments: Any = None


class ToolConfig(Proto):
    """What holds for all tools."""

    function_calling_config: FunctionCallingConfig | None = None
    include_server_side_tool_invocations: Any = None
    retrieval_config: Any = None


class GenerateContentRequest(Proto):
    """A request; its `model` is a part of its address."""

    model: str
    contents: tuple[Content, ...] = ()
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig()
    tools: tuple[Tool, ...] = ()
    tool_config: ToolConfig | None = None
    safety_settings: Any = None
    cached_content: str | None = None
    continuation_token: Any = None
    labels: Any = None
    service_tier: Any = None
    store: Any = None


class CountTokensRequest(Proto):
    """What is to be counted: contents, or a whole request."""

    model: str
    contents: tuple[Content, ...] = ()
    generate_content_request: GenerateContentRequest | None = None
