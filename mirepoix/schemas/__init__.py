"""JSON Schemas that answers must fit: where they come from, and whether a value fits one, within bounds."""

from mirepoix.schemas.source import read_schema
from mirepoix.schemas.validity import Flaw, find_flaws

__all__ = ["Flaw", "find_flaws", "read_schema"]
