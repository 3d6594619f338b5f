"""`submit --attach`: files beside the text of an input."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from pydantic import JsonValue

from mirepoix.client import MAX_INPUT_BYTES
from mirepoix.errors import InputError

UNKNOWN = "application/octet-stream"


def with_files(text: str, paths: list[Path]) -> JsonValue:
    """`text` alone, or with `paths` as `{"text": …, "files": [{name, media_type, data}]}`; raises InputError.

    What a pipeline makes of it is up to its calls: `prompt: "{{ input.text }}"`, `files: input.files`.
    """
    if not paths:
        return text
    room, files = MAX_INPUT_BYTES, list[JsonValue]()
    for path in paths:
        data = _read(path, room)
        room -= len(data)
        media_type = mimetypes.guess_type(path.name)[0] or UNKNOWN
        files.append({"name": path.name, "media_type": media_type, "data": data})
    return {"text": text, "files": files}


def _read(path: Path, room: int) -> str:
    """The file in base64. Of a huge one, or a device, no more is read than there is room for."""
    most = room // 4 * 3
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if not content:
        raise InputError(f"{path} is empty.")
    if len(content) > most:
        raise InputError(
            f"{path} does not fit: an input has {MAX_INPUT_BYTES:,} bytes at the most, a quarter of them for base64."
        )
    return base64.b64encode(content).decode()
