"""One spelling for each phone, e-mail, card and external id, so that equal things have equal blind indexes."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.core.errors import InvalidInput
from shuke.kit.crypto import Keyset
from shuke.members.models import IdentifierKind

DEFAULT_REGION = "CN"
MAX_EXTERNAL = 128

_PHONE_TEXT = re.compile(r"\+?[0-9 ().\-/]{3,40}")
_PHONE_NOISE = re.compile(r"[ ().\-/]")
_CHINA_MOBILE = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})")
_CARD = re.compile(r"[A-Z0-9]{4,40}")
_SYSTEM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_check_email = EmailValidator()


def normalise(kind: str, value: str, system: str = "") -> str:
    """The one spelling of an identifier. Raises InvalidInput with the kind as its field."""
    match kind:
        case IdentifierKind.PHONE:
            return normalise_phone(value)
        case IdentifierKind.EMAIL:
            return normalise_email(value)
        case IdentifierKind.CARD:
            return normalise_card(value)
        case IdentifierKind.EXTERNAL:
            normalise_system(system)
            return normalise_external(value)
    raise InvalidInput(field="kind", reason=_("There is no such kind of identifier."))


def normalise_phone(text: str) -> str:
    """E.164 of a phone number; without a country code it is one of mainland China.

    Mainland mobile numbers count as valid by their shape alone, because carriers open new ranges before any list of
    ranges knows them. Raises InvalidInput.
    """
    plain = _visible(text)
    if not _PHONE_TEXT.fullmatch(plain):
        raise _refuse("phone", _("Write a phone number with digits only, for example 138 1234 5678."))
    digits = _PHONE_NOISE.sub("", plain)
    if mobile := _CHINA_MOBILE.fullmatch(digits):
        return f"+86{mobile[1]}"
    return _foreign_or_landline(f"+{digits[2:]}" if digits.startswith("00") else digits)


@lru_cache(maxsize=4096)
def _foreign_or_landline(digits: str) -> str:
    try:
        number = phonenumbers.parse(digits, DEFAULT_REGION)
    except phonenumbers.NumberParseException as error:
        raise _refuse("phone", _("This is not a phone number.")) from error
    if not phonenumbers.is_valid_number(number):
        raise _refuse("phone", _("No phone has this number: digits are missing, wrong or too many."))
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def normalise_email(text: str) -> str:
    """Lower case, domain in ASCII (punycode). Raises InvalidInput."""
    plain = _visible(text).lower()
    local, at, domain = plain.rpartition("@")
    try:
        if not at or len(plain) > 254:
            raise ValidationError("")
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
        address = f"{local}@{ascii_domain}"
        if len(address) > 254 or len(local) > 64:
            raise ValidationError("")
        _check_email(address)
    except (ValidationError, UnicodeError) as error:
        raise _refuse("email", _("This is not an e-mail address.")) from error
    return address


def normalise_card(text: str) -> str:
    """Upper case, without spaces and hyphens: 4 to 40 letters and digits. Raises InvalidInput."""
    plain = _visible(text).upper().replace(" ", "").replace("-", "")
    if not _CARD.fullmatch(plain):
        raise _refuse("card", _("A card number has 4 to 40 letters and digits."))
    return plain


def normalise_external(text: str) -> str:
    """An id of another system, case kept: 1 to 128 printable characters. Raises InvalidInput."""
    plain = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(plain) <= MAX_EXTERNAL or not plain.isprintable():
        raise _refuse("external", _("An external id has 1 to 128 printable characters."))
    return plain


def normalise_system(text: str) -> str:
    """The short name of another system: lower-case letters, digits and . _ -. Raises InvalidInput."""
    plain = text.strip().lower()
    if not _SYSTEM.fullmatch(plain):
        raise _refuse("system", _("Name the system with up to 40 lower-case letters, digits and . _ -"))
    return plain


def blind(keyset: Keyset, kind: str, normalised: str) -> bytes:
    """The blind index under which an identifier is looked up."""
    return keyset.blind_index(f"members.{kind}", normalised)


def _visible(text: str) -> str:
    """Full width folded; invisible format characters, which copying from a chat leaves behind, dropped."""
    if len(text) > 400:
        return ""
    folded = unicodedata.normalize("NFKC", text)
    if not folded.isascii():
        folded = "".join(" " if c.isspace() else c for c in folded if unicodedata.category(c) != "Cf")
        folded = re.sub("[‐‑‒–—−]", "-", folded)
    return folded.strip()


def _refuse(field: str, reason: str | Promise) -> InvalidInput:
    return InvalidInput(field=field, reason=reason)
