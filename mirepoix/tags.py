"""A producer's own words on a job: texts by name, such as `team=search`, by which costs are summed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mirepoix.errors import InputError

MOST_TAGS = 20
LONGEST_VALUE = 200
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def require_tags(tags: Mapping[str, str]) -> None:
    """Raise InputError unless these can be a job's tags."""
    if len(tags) > MOST_TAGS:
        raise InputError(f"there are {len(tags)} tags; a job has {MOST_TAGS} at the most.")
    for name, value in tags.items():
        require_tag_name(name)
        if not 0 < len(value) <= LONGEST_VALUE or not value.isprintable():
            raise InputError(f"tag {name!r}: a value is a text of 1 to {LONGEST_VALUE} printable characters.")


def require_tag_name(name: str) -> None:
    """Raise InputError unless `name` can be a tag's."""
    if not NAME.fullmatch(name):
        raise InputError(f"tag {name[:80]!r}: a name has letters, digits, '.', '_' and '-', 64 at the most.")


def parse_tags(pairs: Iterable[str]) -> dict[str, str]:
    """Texts such as `team=search` as tags; raises InputError."""
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r} is no tag; write NAME=VALUE, such as team=search.")
        if name in tags:
            raise InputError(f"tag {name!r} is given twice.")
        tags[name] = value
    require_tags(tags)
    return tags
