"""The fields that each kind of file may carry, and the headers under which shops export them.

A field named "discount:" or "external:" or "attribute:" is a family: what follows the colon is the caller's code. Of the
family "tender:" it is a kind of tender.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

from shuke.checkout.values import OUTSIDE_TENDERS
from shuke.integrations.values import Kind

Type = Literal["text", "code", "money", "quantity", "date", "instant", "boolean", "json", "gender", "tender"]


@dataclass(frozen=True, slots=True)
class Field:
    """`limit` in characters."""

    name: str
    type: Type = "text"
    required: bool = False
    personal: bool = False
    limit: int = 200

    @property
    def is_family(self) -> bool:
        """True for "discount:" and its like."""
        return self.name.endswith(":")


MEMBER_REFERENCES = ("member_number", "member_phone", "member_email", "member_card", "member_external")

FIELDS: dict[Kind, tuple[Field, ...]] = {
    Kind.STORES: (
        Field("code", "code", True, limit=40),
        Field("name", required=True, limit=120),
        Field("region", limit=80),
        Field("is_open", "boolean"),
        Field("opened_on", "date"),
    ),
    Kind.PRODUCTS: (
        Field("sku", "code", True, limit=64),
        Field("name", required=True, limit=160),
        Field("category", limit=240),
        Field("brand", limit=80),
        Field("price", "money"),
        Field("cost", "money"),
        Field("is_active", "boolean"),
    ),
    Kind.MEMBERS: (
        Field("number", "code", limit=20),
        Field("name", personal=True, limit=120),
        Field("phone", personal=True, limit=60),
        Field("email", personal=True, limit=254),
        Field("birthday", "date", personal=True),
        Field("gender", "gender", personal=True),
        Field("address", personal=True, limit=300),
        Field("note", personal=True, limit=2000),
        Field("joined_at", "instant"),
        Field("join_store", "code", limit=40),
        Field("join_channel", "code", limit=40),
        Field("tags", limit=2000),
        Field("card", "code", personal=True, limit=60),
        Field("external:", "text", personal=True, limit=128),
        Field("attribute:", "text", personal=True, limit=500),
    ),
    Kind.ORDERS: (
        Field("system", "code", limit=40),
        Field("number", "code", True, limit=80),
        Field("occurred_at", "instant", True),
        Field("store", "code", True, limit=40),
        Field("channel", "code", limit=40),
        Field("member_number", "code", personal=True, limit=20),
        Field("member_phone", personal=True, limit=60),
        Field("member_email", personal=True, limit=254),
        Field("member_card", personal=True, limit=60),
        Field("member_external", personal=True, limit=128),
        Field("sku", "code", True, limit=64),
        Field("quantity", "quantity", True),
        Field("unit_price", "money"),
        Field("list_amount", "money"),
        Field("net_amount", "money"),
        Field("discount:", "money"),
        Field("tender", "tender"),
        Field("tender:", "money"),
        Field("facts", "json", limit=20_000),
    ),
}
DEFAULT_DISCOUNT = "given"
OWN_SYSTEM = "shop"
"""The system that a shop's own member numbers are taken to be of, in files of members and of orders alike."""
INSIDE_TENDERS = frozenset({"stored_value", "gift_card", "points"})
"""What a past sale may have been paid with, but cannot be imported: it left a balance of that time, which is not here."""
_GUESSED = {"discount:": f"discount:{DEFAULT_DISCOUNT}", "external:": f"external:{OWN_SYSTEM}"}


def fields_of(kind: Kind) -> dict[str, Field]:
    """The fields of a kind by name."""
    return {field.name: field for field in FIELDS[kind]}


def find_field(kind: Kind, name: str) -> Field | None:
    """The field that a mapping names: "price", or "external:oldpos" of the family "external:"."""
    known = fields_of(kind)
    if name in known and not known[name].is_family:
        return known[name]
    family, colon, code = name.partition(":")
    found = known.get(family + colon)
    if family == "tender" and code not in OUTSIDE_TENDERS | INSIDE_TENDERS:
        return None
    if found is not None and colon and re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,39}", code):
        return found
    return None


def fold_header(text: str) -> str:
    """A header without case, width, spaces and punctuation: "Order No." and "orderno" are one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum())


def guess_field(kind: Kind, header: str) -> str | None:
    """The field that a header most probably means, or None."""
    plain = header.strip()
    if find_field(kind, plain) is not None:
        return plain
    folded = fold_header(header)
    known = _headers()[kind]
    for field in FIELDS[kind]:
        if folded == fold_header(field.name) or folded in known.get(field.name, ()):
            return _GUESSED.get(field.name, field.name)
    return None


@cache
def _headers() -> dict[Kind, dict[str, frozenset[str]]]:
    """Known headers of each field, folded, out of headers.yaml."""
    document = yaml.safe_load(
        files("shuke.integrations").joinpath("headers.yaml").read_text(encoding="utf-8")
    )
    return {
        Kind(kind): {
            name: frozenset(fold_header(header) for header in headers) for name, headers in fields.items()
        }
        for kind, fields in document.items()
    }
