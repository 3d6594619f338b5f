"""Read `mirepoix.yaml`; every error names the file, the line and the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mirepoix.config import Config, Misplaced
from mirepoix.errors import ConfigError
from mirepoix.strict import Strict

MAX_BYTES = 4_000_000

S = TypeVar("S", bound=Strict)


def load_config(path: Path) -> Config:
    """Read and validate the file at `path`; raises ConfigError that says what, at which line, and what to do."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist. Write one with `mirepoix init`, or set MIREPOIX_CONFIG.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    return parse_config(text, str(path))


def parse_config(text: str, source: str = "mirepoix.yaml") -> Config:
    """As `load_config`, from the text of the file; `source` is what errors call it."""
    return parse_as(Config, text, source)


def parse_as(model: type[S], text: str, source: str) -> S:
    """A text in YAML as a `model`; raises ConfigError that names the line and the key in `source`."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{source} is larger than {MAX_BYTES} characters.")
    tree, data = _read_yaml(text, source)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(problem, tree, source) for problem in error.errors())) from error
    except RecursionError as error:
        raise ConfigError(f"{source}: nested without end.") from error


def _read_yaml(text: str, source: str) -> tuple[yaml.Node, Any]:
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is None:
            raise ConfigError(f"{source} is empty.")
        _refuse_cycles_and_twins(tree, source, ())
        return tree, yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}.") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: nested without end.") from error


def _refuse_cycles_and_twins(node: yaml.Node, source: str, above: tuple[int, ...]) -> None:
    """YAML lets a mapping contain itself (`&a … *a`) and say a key twice; neither is ever meant here."""
    line = node.start_mark.line + 1
    if id(node) in above:
        raise ConfigError(f"{source}:{line}: this part contains itself (a YAML alias refers to what is around it).")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise ConfigError(f"{source}:{key.start_mark.line + 1}: key {key.value!r} stands here twice.")
            seen.add(str(key.value))
            _refuse_cycles_and_twins(value, source, (*above, id(node)))
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_cycles_and_twins(item, source, (*above, id(node)))


def _describe(problem: ErrorDetails, tree: yaml.Node, source: str) -> str:
    cause = problem.get("ctx", {}).get("error")
    loc = cause.loc if isinstance(cause, Misplaced) else problem["loc"]
    keys, line = _locate(loc, tree)
    where = ".".join(keys)
    text = problem["msg"].removeprefix("Value error, ")
    return f"{source}:{line}: {where + ': ' if where else ''}{text}"


def _locate(loc: Sequence[int | str], tree: yaml.Node) -> tuple[list[str], int]:
    """Follow pydantic's location through the YAML; parts of it that the file does not spell out are passed over."""
    node, line, keys = tree, tree.start_mark.line + 1, list[str]()
    for part in loc:
        below = _below(node, part)
        if below is not None:
            node, line = below
            keys.append(str(part))
    return keys, line


def _below(node: yaml.Node, part: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None
