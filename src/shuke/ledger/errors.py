"""Refusals of the ledger. Each says which figure is at fault and what would be allowed."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class UnknownHolder(ShukeError):
    code, status = "unknown_holder", 422
    message = _("There is no such member, or the membership has ended.")


class UnknownAsset(ShukeError):
    code, status = "unknown_asset", 422
    message = _("The programme has no asset %(asset)s.")


class BadUnits(ShukeError):
    code, status = "bad_units", 422
    message = _("Give a whole number of units from 1 to %(most)d.")


class NotEnough(ShukeError):
    code, status = "not_enough", 409
    message = _("Only %(usable)d of %(asset)s are usable; %(asked)d were asked for.")


class HoldUnknown(ShukeError):
    code, status = "unknown_hold", 404
    message = _("There is no such hold.")


class HoldEnded(ShukeError):
    code, status = "hold_ended", 409
    message = _("This hold has ended already: it was captured, released, or its time is over.")


class HoldTooSmall(ShukeError):
    code, status = "hold_too_small", 409
    message = _("The hold has only %(held)d; %(asked)d were asked for.")


class BadHoldEnd(ShukeError):
    code, status = "bad_hold_end", 422
    message = _("A hold ends after now and within %(days)d days.")


class TransferNotAllowed(ShukeError):
    code, status = "transfer_not_allowed", 409
    message = _("The programme does not let members give %(asset)s to each other.")


class TransferToSelf(ShukeError):
    code, status = "transfer_to_self", 422
    message = _("Giver and receiver are the same member.")


class TransferOutOfRange(ShukeError):
    code, status = "transfer_out_of_range", 409
    message = _("One transfer moves from %(minimum)d to %(maximum)d.")


class TransferBeyondDay(ShukeError):
    code, status = "transfer_beyond_day", 409
    message = _("At most %(per_day)d may be given a day; %(given)d were given today.")


class AdjustmentNotAllowed(ShukeError):
    code, status = "adjustment_not_allowed", 403
    message = _("Your role may not adjust %(asset)s.")


class AdjustmentBeyondLimit(ShukeError):
    code, status = "adjustment_beyond_limit", 403
    message = _("Your role may adjust at most %(limit)d at once.")


class ReasonMissing(ShukeError):
    code, status = "reason_missing", 422
    message = _("State the reason, at most 300 characters on one line.")


class AdjustmentUnknown(ShukeError):
    code, status = "unknown_adjustment", 404
    message = _("There is no such adjustment.")


class AdjustmentDecided(ShukeError):
    code, status = "adjustment_decided", 409
    message = _("This request has been decided already, or has lapsed.")


class OwnAdjustment(ShukeError):
    code, status = "own_adjustment", 403
    message = _("Someone else has to approve what you requested.")
