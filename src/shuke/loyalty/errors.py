"""Refusals of the loyalty room, and the problems that a programme document can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError

if TYPE_CHECKING:
    from shuke.loyalty.cautions import Caution


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where (`tiers.levels[2].threshold`, line from 1) and why.

    `code` is stable; `message` is in the active language.
    """

    code: str
    path: str
    line: int
    template: str | Promise
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return str(self.template) % self.params if self.params else str(self.template)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidProgramme(ShukeError):
    """The document cannot be published; `problems` lists everything that is wrong, in the order of its lines."""

    code = "invalid_programme"
    status = 422
    message = _("The programme has %(count)d problems. The first: %(first)s")

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(field=problems[0].path or None, count=len(problems), first=problems[0])


class NoProgramme(ShukeError):
    code = "no_programme"
    status = 409
    message = _("No programme is in force yet. Apply one first: shuke programme apply FILE.")


class UnknownVersion(ShukeError):
    code = "unknown_programme_version"
    status = 404
    message = _("There is no such version of the programme.")


class SameProgramme(ShukeError):
    """The document equals the one that is in force at its effective time: publishing it would change nothing."""

    code = "same_programme"
    status = 409
    message = _("The document is the same as version %(number)d, which is in force at that time.")


class EffectiveInThePast(ShukeError):
    code = "effective_in_the_past"
    status = 422
    message = _("A new version cannot begin in the past: sales have been priced without it.")


class CurrencyFixed(ShukeError):
    code = "currency_fixed"
    status = 422
    message = _(
        "The currency is %(currency)s since version 1 and cannot change: what members spent is kept in it."
    )


class Unconfirmed(ShukeError):
    """The draft is valid and warns of things that nobody has confirmed; `cautions` lists them."""

    code = "warnings_unconfirmed"
    status = 409
    message = _("Confirm %(count)d warnings first. The first: %(first)s")

    def __init__(self, cautions: Sequence[Caution]) -> None:
        self.cautions = tuple(cautions)
        super().__init__(field=cautions[0].path or None, count=len(cautions), first=cautions[0])


class VersionBegun(ShukeError):
    code = "programme_version_begun"
    status = 409
    message = _("Version %(number)d has begun and cannot be taken back. Publish a former version instead.")


class VersionCancelled(ShukeError):
    code = "programme_version_cancelled"
    status = 409
    message = _("Version %(number)d was taken back before.")


class AccrualNotOffered(ShukeError):
    code = "accrual_not_offered"
    status = 422
    message = _("The programme in force gives nothing for “%(kind)s”.")


class AlreadyBrought(ShukeError):
    """A referral is rewarded to one member only."""

    code = "already_brought"
    status = 409
    message = _("Another member was rewarded for bringing this friend.")


class BeyondOverrideLimit(ShukeError):
    """`field` says which: the level, or how long it shall hold."""

    code = "beyond_override_limit"
    status = 403
    message = _("Your role may not set this by hand. The most that it may: %(most)s")


class GrantOver(ShukeError):
    code = "tier_grant_over"
    status = 409
    message = _("The time of this level is over.")


class UnknownGrant(ShukeError):
    code = "unknown_tier_grant"
    status = 404
    message = _("No such level was given.")


class GrantNotByHand(ShukeError):
    code = "tier_grant_not_by_hand"
    status = 409
    message = _("This level was not set by hand. It ends with the plan or the time that gave it.")
