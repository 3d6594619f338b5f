"""From the body of a Gemini request to what is asked, and what the API refuses on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from emulator.gemini_proto import invalid
from emulator.gemini_request import (
    Content,
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    GenerationConfig,
    Part,
)
from emulator.gemini_schema import to_json_schema
from emulator.thoughts import Thinking
from emulator.tools import named_tool
from emulator.wire import ApiError, Ask, Json, JsonWish, Message, Role

JSON_TYPE = "application/json"
TEXT_TYPES = (None, "", "text/plain")
KNOWN_TYPES = ("text/plain", JSON_TYPE, "application/xml", "application/yaml", "text/x.enum")
ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
ROLES = (None, "", "user", "model", "function")
MAX_STOP_SEQUENCES = 5
MAX_BUDGET = 65_535
LEVELS = {"MINIMAL": 64, "LOW": 512, "MEDIUM": 4096, "HIGH": None}
"""The most tokens of thoughts by `thinkingLevel`; the API names no numbers."""


def to_ask(request: GenerateContentRequest, *, streams: bool = False) -> Ask:
    """What is asked; raises ApiError for what has the right form and is not possible all the same."""
    check_contents(request.contents)
    config = request.generation_config
    _check_config(config)
    _check_emulated(request)
    return Ask(
        model=request.model,
        messages=to_messages(request.contents, request.system_instruction),
        max_tokens=config.max_output_tokens,
        stop_sequences=config.stop_sequences,
        json_wish=_json_wish(request),
        thinking=_thinking(config),
        streams=streams,
        top_logprobs=(config.logprobs or 0) if config.response_logprobs else None,
        words_refusals=False,
    )


def check_contents(contents: Sequence[Content]) -> None:
    """Raise ApiError where there is nothing to answer."""
    if not contents:
        raise _refuse("contents", "contents is not specified")
    for index, content in enumerate(contents):
        if content.role not in ROLES:
            raise invalid("Please use a valid role: user, model.")
        if not content.parts:
            raise _refuse(f"contents[{index}].parts", "contents.parts must not be empty.")
        for place, part in enumerate(content.parts):
            if not part.has_data:
                text = "required oneof field 'data' must have one initialized field"
                raise _refuse(f"contents[{index}].parts[{place}].data", text)


def to_messages(contents: Sequence[Content], system: Content | None = None) -> tuple[Message, ...]:
    """The conversation, its system instruction first."""
    first = [] if system is None else [_message("system", system)]
    others = (_message("assistant" if content.role == "model" else "user", content) for content in contents)
    return (*first, *others)


def _message(role: Role, content: Content) -> Message:
    texts = [text for part in content.parts if (text := _text_of(part))]
    return Message(role, "\n".join(texts), files=tuple(_files(content)))


def _text_of(part: Part) -> str:
    """What is to be read in a part: its text, or a file that is text, or what a tool was asked or said."""
    if part.text is not None:
        return "" if part.thought else part.text
    if part.inline_data is not None and part.inline_data.mime_type.startswith("text/"):
        return part.inline_data.data.decode(errors="replace")
    if part.function_call is not None:
        return json.dumps({part.function_call.name: part.function_call.args or {}}, ensure_ascii=False)
    if part.function_response is not None:
        return json.dumps(part.function_response.response, ensure_ascii=False)
    return ""


def _files(content: Content) -> Iterator[str]:
    """The media types of what cannot be read here."""
    for part in content.parts:
        if part.file_data is not None:
            yield part.file_data.mime_type or "application/octet-stream"
        elif part.inline_data is not None and not part.inline_data.mime_type.startswith("text/"):
            yield part.inline_data.mime_type


def _check_config(config: GenerationConfig) -> None:
    for name, value, high in (("temperature", config.temperature, 2.0), ("top_p", config.top_p, 1.0)):
        if value is not None and not 0 <= value <= high:
            raise _refuse(f"generation_config.{name}", f"{name} must be in the range [0.0, {high}].")
    if config.max_output_tokens is not None and config.max_output_tokens < 1:
        raise _refuse("generation_config.max_output_tokens", "max_output_tokens must be positive.")
    if config.top_k is not None and config.top_k < 0:
        raise _refuse("generation_config.top_k", "top_k must be non-negative.")
    if len(config.stop_sequences) > MAX_STOP_SEQUENCES:
        text = f"at most {MAX_STOP_SEQUENCES} stop sequences are allowed."
        raise _refuse("generation_config.stop_sequences", text)
    _check_schema(config)
    _check_thinking(config)


def _check_schema(config: GenerationConfig) -> None:
    kind = config.response_mime_type
    if kind and kind not in KNOWN_TYPES:
        listed = ", ".join(f"`{known}`" for known in KNOWN_TYPES[:-1])
        text = f"allowed mimetypes are {listed} and `{KNOWN_TYPES[-1]}`."
        raise _refuse("generation_config.response_mime_type", text)
    schemas = {"response_schema": config.response_schema, "response_json_schema": config.response_json_schema}
    given = [name for name, schema in schemas.items() if schema is not None]
    if len(given) > 1:
        text = "only one of response_schema and response_json_schema may be set."
        raise _refuse("generation_config.response_json_schema", text)
    if given and kind in TEXT_TYPES:
        raise _refuse(f"generation_config.{given[0]}", f"only allowed when response_mime_type is `{JSON_TYPE}`.")


def _check_thinking(config: GenerationConfig) -> None:
    thinking = config.thinking_config
    if thinking is None:
        return
    if thinking.thinking_budget is not None and thinking.thinking_level is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if thinking.thinking_budget is not None and not -1 <= thinking.thinking_budget <= MAX_BUDGET:
        text = f"thinking_budget must be in the range [-1, {MAX_BUDGET}]."
        raise _refuse("generation_config.thinking_config.thinking_budget", text)


def _check_emulated(request: GenerateContentRequest) -> None:
    """Refuse what would change the answer and is not known here."""
    config = request.generation_config
    if (config.candidate_count or 1) > 1:
        raise invalid("Multiple candidates is not enabled for this model")
    if config.response_mime_type not in (*TEXT_TYPES, JSON_TYPE):
        raise invalid(f"generation_config.response_mime_type: {config.response_mime_type} is not emulated.")
    if config.response_format is not None:
        raise invalid("generation_config.response_format is not emulated.")
    if request.cached_content is not None:
        name = request.cached_content
        raise ApiError(403, "PERMISSION_DENIED", f"CachedContent not found (or permission denied): {name}")


def _thinking(config: GenerationConfig) -> Thinking | None:
    """A model thinks here only where it is asked to; a budget of -1 lets it think as it likes."""
    asked = config.thinking_config
    if asked is None or asked.thinking_budget == 0:
        return None
    if asked.thinking_budget is not None:
        return Thinking(None if asked.thinking_budget < 0 else asked.thinking_budget, asked.include_thoughts)
    return Thinking(LEVELS.get(asked.thinking_level or "HIGH"), asked.include_thoughts)


def _json_wish(request: GenerateContentRequest) -> JsonWish | None:
    config = request.generation_config
    called = _tool_wish(request)
    if called is not None:
        return called
    if config.response_mime_type != JSON_TYPE:
        return None
    if config.response_schema is not None:
        name = "generation_config.response_schema"
        return JsonWish(to_json_schema(config.response_schema, name), name=name)
    schema = ANY_OBJECT if config.response_json_schema is None else config.response_json_schema
    return JsonWish(schema, name="generation_config.response_json_schema")


def _tool_wish(request: GenerateContentRequest) -> JsonWish | None:
    """The call of a function: the one that the user's last message names; where one must be, else the first allowed."""
    choice = (request.tool_config and request.tool_config.function_calling_config) or FunctionCallingConfig()
    if choice.mode == "NONE":
        return None
    declared = {
        function.name: (function, f"tools[{at}].function_declarations[{place}]")
        for at, tool in enumerate(request.tools)
        for place, function in enumerate(tool.function_declarations)
    }
    allowed = [name for name in declared if name in (choice.allowed_function_names or declared)]
    name = named_tool(allowed, _last_said(request.contents[-1]))
    if name is None and choice.mode == "ANY":
        if not allowed:
            field = "tool_config.function_calling_config.allowed_function_names"
            raise _refuse(field, "must name functions that are declared in tools.")
        name = allowed[0]
    if name is None:
        return None
    function, field = declared[name]
    return JsonWish(_parameters(function, field), name=field, tool=name, is_forced=choice.mode == "ANY")


def _last_said(content: Content) -> str:
    """What the user said last; what a tool said calls no other."""
    if content.role == "model" or any(part.function_response is not None for part in content.parts):
        return ""
    return _message("user", content).text


def _parameters(declaration: FunctionDeclaration, name: str) -> Json:
    if declaration.parameters is not None:
        return to_json_schema(declaration.parameters, f"{name}.parameters")
    schema = declaration.parameters_json_schema
    return {"type": "object", "properties": {}} if schema is None else schema


def _refuse(field: str, why: str) -> ApiError:
    return invalid(f"* GenerateContentRequest.{field}: {why}\n")
