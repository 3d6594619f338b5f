"""Regular expressions of schemas, matched in linear time.

Python's own `re` may take years for a short text (`^(a+)+$`); the Rust engine that pydantic carries cannot. What it
does not know in return are look-around and back-references.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema


@lru_cache(maxsize=1000)
def compile_pattern(pattern: str) -> SchemaValidator:
    """What `pattern` matches somewhere in a text; raises ValueError."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ValueError(
            f"pattern {pattern[:200]!r} cannot be used (no look-around, no back-references): {reason[:200]}."
        ) from error


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`; never in a text with lone surrogates, which is no Unicode."""
    return compile_pattern(pattern).isinstance_python(text)
