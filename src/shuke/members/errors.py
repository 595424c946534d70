"""What the member file refuses, and how."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class IdentifierTaken(ShukeError):
    """Another member has it. Says which kind, never whose."""

    code = "identifier_taken"
    status = 409
    message = _("This %(kind)s already belongs to a member.")


class ProfileErased(ShukeError):
    """The member's key was destroyed: nobody can read the profile again."""

    code = "profile_erased"
    status = 410
    message = _("The personal data of this member was erased.")


class QrInvalid(ShukeError):
    code = "qr_invalid"
    status = 422
    message = _("This is not a member code of this system.")


class QrExpired(ShukeError):
    code = "qr_expired"
    status = 410
    message = _("This member code has expired: ask the member to refresh it.")


class QrUsed(ShukeError):
    code = "qr_used"
    status = 409
    message = _("This member code was used already: ask the member to refresh it.")
