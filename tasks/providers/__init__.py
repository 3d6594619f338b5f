"""One wire format a file, behind one small interface (`tasks.providers.base.Adapter`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from mirepoix.addresses import resolves_to_link_local
from mirepoix.config import LINK_LOCAL, Api, Config, Provider
from mirepoix.errors import ConfigError
from tasks.loop import Loop
from tasks.providers.anthropic import AnthropicAdapter
from tasks.providers.anthropic_batches import AnthropicBatches
from tasks.providers.base import Adapter
from tasks.providers.batches import BatchApi
from tasks.providers.gemini import GeminiAdapter
from tasks.providers.http import Endpoint
from tasks.providers.openai import CHAT, Dialect, OpenAIAdapter
from tasks.providers.openai_batches import OpenAIBatches
from tasks.providers.python import PythonAdapter, import_callable

EMULATED_KEY = "emulated"
EMULATED_PATH = {Api.GEMINI: "/v1beta"}
KEY_HEADERS = {Api.ANTHROPIC: "x-api-key", Api.GEMINI: "x-goog-api-key", Api.AZURE: "api-key"}
"""Who takes the key in a header of its own; the others want it as `authorization: Bearer`."""
DEPLOYMENT = "/openai/deployments/{model}/chat/completions?api-version="
AZURE_V1 = "/openai/v1"


def open_adapter(
    name: str, provider: Provider, loop: Loop, *, emulator_url: str | None, environ: Mapping[str, str] = os.environ
) -> Adapter:
    """The adapter for the provider called `name`; raises ConfigError when its key is missing.

    With `emulator_url` its requests go to the emulator there, whatever its configured address.
    """
    if provider.api is Api.PYTHON:
        return PythonAdapter(timeout=provider.timeout)
    endpoint, headers = _open_endpoint(name, provider, loop, emulator_url, environ)
    if provider.api is Api.ANTHROPIC:
        return AnthropicAdapter(endpoint, headers, provider.api_version, provider.extra_body)
    if provider.api is Api.GEMINI:
        return GeminiAdapter(endpoint, headers, provider.extra_body)
    path = CHAT if emulator_url or provider.api is Api.OPENAI else _azure_path(provider)
    return OpenAIAdapter(endpoint, headers, Dialect(path, provider.extra_body, provider.rename))


def open_batches(
    name: str, provider: Provider, loop: Loop, *, emulator_url: str | None, environ: Mapping[str, str] = os.environ
) -> BatchApi:
    """The batch API of the provider called `name`, which has `batching`; otherwise as `open_adapter`."""
    endpoint, headers = _open_endpoint(name, provider, loop, emulator_url, environ)
    if provider.api is Api.ANTHROPIC:
        return AnthropicBatches(endpoint, headers, provider.api_version)
    return OpenAIBatches(endpoint, headers)


def _open_endpoint(
    name: str, provider: Provider, loop: Loop, emulator_url: str | None, environ: Mapping[str, str]
) -> tuple[Endpoint, dict[str, str]]:
    """Its address, and the headers of each request."""
    key = EMULATED_KEY if emulator_url else _key(name, provider, environ)
    base_url = f"{emulator_url}{EMULATED_PATH.get(provider.api, '/v1')}" if emulator_url else provider.url
    endpoint = Endpoint(loop, base_url, timeout=provider.timeout, connect_timeout=provider.connect_timeout, secret=key)
    headers = {name.lower(): value for name, value in provider.headers.items()} | _key_header(provider.api, key)
    return endpoint, headers


def check_provider(name: str, config: Config, *, emulated: bool, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps the provider `name` from answering, as messages: a missing key, a callable that is not there."""
    provider = config.providers[name]
    if provider.api is not Api.PYTHON:
        return [] if emulated else [*_check_key(name, provider, environ), *_check_address(name, provider)]
    problems: list[str] = []
    for key, model in config.models.items():
        if model.provider == name and model.callable is not None:
            try:
                import_callable(model.callable)
            except ConfigError as error:
                problems.append(f"models.{key}: {error}")
    return problems


def _key_header(api: Api, key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    return {KEY_HEADERS[api]: key} if api in KEY_HEADERS else {"authorization": f"Bearer {key}"}


def _azure_path(provider: Provider) -> str:
    """By deployment where an api_version is given, else Azure's newer address, which is OpenAI's own below a prefix."""
    if provider.api_version is not None:
        return DEPLOYMENT + provider.api_version
    return CHAT if provider.url.endswith(AZURE_V1) else AZURE_V1 + CHAT


def _check_key(name: str, provider: Provider, environ: Mapping[str, str]) -> list[str]:
    try:
        _key(name, provider, environ)
    except ConfigError as error:
        return [str(error)]
    return []


def _check_address(name: str, provider: Provider) -> list[str]:
    host = urlsplit(provider.url).hostname
    if host and not provider.allow_link_local and resolves_to_link_local(host):
        return [f"provider {name!r}: {host!r} stands for {LINK_LOCAL}"]
    return []


def _key(name: str, provider: Provider, environ: Mapping[str, str]) -> str | None:
    if provider.key_env is None:
        return None
    key = environ.get(provider.key_env, "").strip()
    if not key:
        raise ConfigError(
            f"provider {name!r}: the environment variable {provider.key_env} is not set; put its API key there."
        )
    return key
