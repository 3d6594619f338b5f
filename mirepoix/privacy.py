"""What must not leave the house, and what becomes of a call that carries it: the `privacy:` section of the file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mirepoix.strict import Strict


class Sensitive(StrEnum):
    """Kinds of personal and secret data that are looked for."""

    EMAIL = "email"
    """An address of a person or an organisation."""
    PHONE = "phone"
    """A number in international form, or one that is clearly written as a telephone number."""
    IBAN = "iban"
    """A bank account whose length and check digits are right."""
    CARD = "card"
    """A payment card whose prefix, length and check digit are right."""
    NATIONAL_ID = "national_id"
    """A number by which a state knows a person: US, GB, DE, FR, ES, IT, NL, PL, IN."""
    SECRET = "secret"
    """A private key, an API key or token, a password that is assigned or stands in a URL."""


class Privacy(Strict):
    """What happens to a call to an external provider whose request holds sensitive data.

    `sensitive: local` (the default) sends it to the first of its model's fallbacks that is in the house, else to
    `model`, else fails it; `allow` looks for nothing. `kinds` are those looked for. Files cannot be looked into:
    `files: local` treats each as sensitive, `allow` lets them out.
    """

    sensitive: Literal["local", "allow"] = "local"
    model: str | None = None
    kinds: Annotated[frozenset[Sensitive], Field(min_length=1)] = frozenset(Sensitive)
    files: Literal["local", "allow"] = "allow"

    @property
    def looked_for(self) -> frozenset[Sensitive]:
        """The kinds that keep a call in the house; none when everything may leave."""
        return self.kinds if self.sensitive == "local" else frozenset()
