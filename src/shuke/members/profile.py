"""The profile: everything that says who a member is. Outside this module it is ciphertext, or masked, or
unmasked with a reason.

It is one JSON document under the member's own data key; the member id is part of what is authenticated, so that a
profile moved to another row does not open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import models
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.kit import crypto
from shuke.members.identifiers import normalise_email, normalise_phone
from shuke.members.surnames import COMPOUND_SURNAMES

CONTEXT = b"members.profile"
MAX_NAME = 120
MAX_ADDRESS = 300
MAX_NOTE = 2000
OLDEST_BIRTHDAY = date(1900, 1, 1)
Stored = bytes | memoryview
"""What a binary column gives back."""
PROFILE_FIELDS = ("name", "phone", "email", "birthday", "gender", "address", "note")

_HAN_NAME = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af〇·]+")
_MASK = "*"


class Gender(models.TextChoices):
    FEMALE = "female", _("Female")
    MALE = "male", _("Male")
    OTHER = "other", _("Other")


_GENDERS = frozenset(Gender.values)


@dataclass(frozen=True, slots=True)
class Profile:
    """Personal data of one member. Empty text means unknown. `phone` is E.164, `extra` the personal attributes."""

    name: str = ""
    phone: str = ""
    email: str = ""
    birthday: date | None = None
    gender: str = ""
    address: str = ""
    note: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Never the data: a repr ends up in logs and tracebacks."""
        return "Profile(…)"


def clean_profile(profile: Profile, *, today: date) -> Profile:
    """The profile as it is kept: phone and e-mail in one spelling, text without control characters.

    Raises InvalidInput naming the first field that cannot be used. `extra` is left to the attribute rules.
    """
    return Profile(
        name=clean_text("name", profile.name, MAX_NAME),
        phone=normalise_phone(profile.phone) if profile.phone else "",
        email=normalise_email(profile.email) if profile.email else "",
        birthday=_clean_birthday(profile.birthday, today),
        gender=_clean_gender(profile.gender),
        address=clean_text("address", profile.address, MAX_ADDRESS, lines=True),
        note=clean_text("note", profile.note, MAX_NOTE, lines=True),
        extra=profile.extra,
    )


def seal_profile(member_id: UUID, data_key: bytes, profile: Profile) -> bytes:
    """The profile as ciphertext bound to the member."""
    document: dict[str, Any] = {
        field: value for field in PROFILE_FIELDS if (value := getattr(profile, field))
    }
    if profile.extra:
        document["extra"] = dict(profile.extra)
    return crypto.encrypt(data_key, msgspec.json.encode(document), CONTEXT + member_id.bytes)


def open_profile(member_id: UUID, data_key: bytes, sealed: Stored) -> Profile:
    """Undo `seal_profile`. Raises Undecipherable when the ciphertext is not this member's."""
    document: dict[str, Any] = msgspec.json.decode(
        crypto.decrypt(data_key, bytes(sealed), CONTEXT + member_id.bytes)
    )
    if birthday := document.get("birthday"):
        document["birthday"] = date.fromisoformat(birthday)
    return Profile(**document)


def mask_name(name: str) -> str:
    """林若溪 → 林*溪, 张三 → 张*, 欧阳娜娜 → 欧阳*娜, John Smith → J*** S***."""
    if not name:
        return ""
    if _HAN_NAME.fullmatch(name):
        kept = 2 if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else 1
        if len(name) == 1:
            return _MASK
        last = name[-1] if len(name) > kept + 1 else ""
        return name[:kept] + _MASK * min(3, len(name) - kept - len(last)) + last
    return " ".join(word[0] + _MASK * 3 for word in name.split()[:4])


def mask_phone(phone: str) -> str:
    """+8613812346621 → 138****6621; other countries keep the code's beginning and the last four digits."""
    if not phone:
        return ""
    national = phone[3:] if phone.startswith("+86") and len(phone) == 14 else phone
    return f"{national[:3]}****{national[-4:]}" if len(national) >= 9 else f"****{national[-2:]}"


def mask_email(email: str) -> str:
    """lin.ruoxi@example.com → l***@example.com."""
    if not email:
        return ""
    local, _at, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


def mask_code(code: str) -> str:
    """Cards and external ids: the last four characters, of long ones only."""
    return f"****{code[-4:]}" if len(code) >= 8 else "****"


def _clean_birthday(birthday: date | None, today: date) -> date | None:
    # Tomorrow counts as today: the sun rises in Auckland before it does in UTC.
    if birthday is not None and not OLDEST_BIRTHDAY <= birthday <= today + timedelta(days=1):
        raise InvalidInput(field="birthday", reason=_("A birthday lies between 1900 and today."))
    return birthday


def _clean_gender(gender: str) -> str:
    if gender and gender not in _GENDERS:
        raise InvalidInput(field="gender", reason=_("Gender is one of: female, male, other."))
    return str(gender)
