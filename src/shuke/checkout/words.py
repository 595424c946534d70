"""Why a figure is what it is, in words: the one home of the sentences that API, console and command show.

Every function answers in the active language. A sentence is chosen by the kind of the act and by what the writing room left
in `explain`; a kind that nobody has told this page about still gets a true, if plainer, sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from shuke.checkout.repricing import Repriced, Untold
from shuke.kit import wording
from shuke.kit.clock import local_date
from shuke.ledger.queries import EntryView
from shuke.loyalty import words
from shuke.loyalty.models import TierGrant
from shuke.loyalty.plans.levels import plan_of_grant
from shuke.loyalty.queries import Version, programme_at, version_by_id, version_by_number


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of act: its name, the colour it is shown in, and what it says of units that come in and that go out."""

    name: str | Promise
    tone: str = ""
    came: str | Promise = ""
    went: str | Promise = ""


KINDS: Mapping[str, Kind] = {
    "earn": Kind(pgettext_lazy("ledger entry", "Earned"), "ok", gettext_lazy("Earned with an order.")),
    "accrue": Kind(
        pgettext_lazy("ledger entry", "Given"),
        "ok",
        gettext_lazy("Given for something other than a purchase."),
    ),
    "redeem": Kind(
        pgettext_lazy("ledger entry", "Used"), "brand", went=gettext_lazy("Used as cash in an order.")
    ),
    "reversal": Kind(
        pgettext_lazy("ledger entry", "Reversed"),
        "info",
        gettext_lazy("Reversed."),
        gettext_lazy("Reversed."),
    ),
    "expire": Kind(pgettext_lazy("ledger entry", "Expired"), "warn", went=gettext_lazy("Expired unused.")),
    "adjust": Kind(
        pgettext_lazy("ledger entry", "Adjusted"),
        "gold",
        gettext_lazy("Adjusted by staff."),
        gettext_lazy("Adjusted by staff."),
    ),
    "transfer_out": Kind(
        pgettext_lazy("ledger entry", "Given away"),
        "info",
        gettext_lazy("Came back from another member."),
        gettext_lazy("Given to another member."),
    ),
    "transfer_in": Kind(
        pgettext_lazy("ledger entry", "Received"),
        "ok",
        gettext_lazy("Received from another member."),
        gettext_lazy("Went back to another member."),
    ),
    "fee": Kind(pgettext_lazy("ledger entry", "Fee"), "warn", went=gettext_lazy("Fee of a transfer.")),
    "top_up": Kind(
        pgettext_lazy("ledger entry", "Topped up"),
        "ok",
        gettext_lazy("Topped up."),
        gettext_lazy("A top-up was taken back."),
    ),
    "pay": Kind(pgettext_lazy("ledger entry", "Paid"), "brand", went=gettext_lazy("Paid for an order.")),
    "refund_pay": Kind(
        pgettext_lazy("ledger entry", "Paid back"),
        "info",
        gettext_lazy("Paid back, because the order was refunded."),
        gettext_lazy("Taken back after a refund."),
    ),
}
REFUNDED: Mapping[str, str | Promise] = {
    "returned": gettext_lazy("Returned, because the order they were used in was refunded."),
    "clawed_back": gettext_lazy("Taken back, because the order they came from was refunded."),
    "debt": gettext_lazy("Taken back by a refund after they were spent: this much is owed."),
    "debt_settled": gettext_lazy("Came back by a refund and settled what was owed."),
}
TIER_CAUSES: Mapping[str, str | Promise] = {
    "joined": gettext_lazy("Where everybody begins"),
    "qualified": gettext_lazy("Reached by spending"),
    "renewed": gettext_lazy("Kept for another term"),
    "lapsed": gettext_lazy("Not reached again at the review"),
    "refund": gettext_lazy("Lost through a refund"),
    "programme": gettext_lazy("The programme changed"),
    "override": gettext_lazy("Set by hand"),
    "bought": gettext_lazy("Redeemed as a reward"),
    "plan": gettext_lazy("Given by a plan"),
    "ended": gettext_lazy("A given level was ended"),
}
LOT_STATES: Mapping[str, str | Promise] = {
    "usable": pgettext_lazy("lot", "Usable"),
    "pending": pgettext_lazy("lot", "Not usable yet"),
    "lapsed": pgettext_lazy("lot", "Lapsed, being written off"),
    "empty": pgettext_lazy("lot", "Used up"),
}


def kind_of(kind: str) -> Kind:
    """What is known of a kind of act; its bare code for one that is not known."""
    return KINDS.get(kind) or Kind(kind)


def version_of(entry: EntryView) -> Version | None:
    """The programme under which an entry was written, or that was in force when it happened; None before the first."""
    if entry.programme_version_id:
        return version_by_id(entry.programme_version_id)
    in_force = programme_at(entry.occurred_at)
    return version_by_id(in_force.version_id) if in_force else None


def explain_entry(entry: EntryView) -> str:
    """Why a balance moved, in one sentence."""
    told = entry.explain or {}
    version = version_of(entry)
    if told.get("rules"):
        return _by_rules(entry, told, version)
    match entry.kind:
        case "earn" if entry.lot_id is not None:
            return _("Earned with an order; the first part of it settled a debt.")
        case "redeem" if "points_minor" in told and version:
            worth = wording.money(told["points_minor"], version.programme.currency)
            return _("Used as cash in an order, worth %(worth)s together.") % {"worth": worth}
        case "redeem" if told.get("reward") and version and told["reward"] in version.programme.rewards:
            offer = version.programme.rewards[told["reward"]]
            return _("Exchanged for %(reward)s.") % {"reward": words.localized(offer.names)}
        case "redeem" if entry.order_id is None:
            return _("Used: %(reason)s") % {"reason": entry.reason} if entry.reason else _("Used.")
        case "top_up" if entry.asset == "bonus" and entry.amount > 0:
            return _("Bonus of a top-up.")
        case "expire" if entry.lot_expires_at is not None and version:
            # The end is exclusive: what is gone at midnight was last good on the day before.
            last = local_date(entry.lot_expires_at - timedelta(microseconds=1), version.programme.zone)
            return _("Expired unused; the last good day was %(day)s.") % {"day": wording.day(last)}
        case "adjust" if entry.reason:
            return _("Adjusted: %(reason)s") % {"reason": entry.reason}
    if sentence := REFUNDED.get(str(told.get("refund"))):
        return str(sentence)
    return _plainly(entry)


def _by_rules(entry: EntryView, told: Mapping[str, Any], version: Version | None) -> str:
    sentence = words.explain_earning(told, version.document, entry.asset) if version else ""
    if not sentence:
        return _plainly(entry)
    if entry.lot_id is None:
        return _("%(sentence)s; kept to settle a debt") % {"sentence": sentence}
    return sentence


def _plainly(entry: EntryView) -> str:
    kind = kind_of(entry.kind)
    sentence = kind.came if entry.amount > 0 else kind.went
    if sentence:
        return str(sentence)
    if entry.reason:
        return _("%(kind)s: %(reason)s") % {"kind": kind.name, "reason": entry.reason}
    return (
        _("Came in (%(kind)s).") % {"kind": kind.name}
        if entry.amount > 0
        else _("Went out (%(kind)s).") % {"kind": kind.name}
    )


def explain_discount(detail: Mapping[str, Any], programme_version: int | None) -> str:
    """What a discount on a line was, without its amount."""
    code = str(detail.get("code", ""))
    kind = detail.get("kind")
    if kind in ("tier", "plan"):
        document = version_by_number(programme_version).document if programme_version else None
        name_of = words.tier_name if kind == "tier" else words.plan_name
        name = name_of(document, code) if document else code
        paid = 100 - Decimal(str(detail.get("percent", 0))) / 1000
        return f"{name} {wording.discount(paid)}" if 0 < paid < 100 else name
    if kind == "coupon":
        document = version_by_number(programme_version).document if programme_version else None
        return _("Coupon %(name)s") % {"name": words.coupon_name(document, code) if document else code}
    if kind == "given":
        return _("Given at the till: %(code)s") % {"code": code} if code else _("Given at the till")
    return f"{kind}: {code}" if kind and code else code or str(kind or "")


def explain_repriced(told: Repriced) -> str:
    """What came of making a price again."""
    if told.untold:
        return str(_UNTOLD[told.untold])
    if told.refused:
        return _("Priced again, it would be refused: %(code)s") % {"code": told.refused}
    if told.differences:
        first = told.differences[0]
        return _(
            "Priced again, %(count)d figures differ; the first: line %(line)d, %(figure)s %(recorded)d, now %(again)d"
        ) % {
            "count": len(told.differences),
            "line": first.line_no,
            "figure": first.figure,
            "recorded": first.recorded,
            "again": first.again,
        }
    return _("Priced again under the same version: the same to the point and the cent.")


_UNTOLD: Mapping[Untold, str | Promise] = {
    "version": gettext_lazy("Not priced again: the order names no programme version."),
    "facts": gettext_lazy(
        "Not priced again: the price hung on facts of that moment, such as caps, budgets, tags or segments."
    ),
    "discounts": gettext_lazy("Not priced again: coupons or plans took part, as they stood at that moment."),
}


def tier_cause(cause: str) -> str:
    """Why a tier changed."""
    return str(TIER_CAUSES.get(cause, cause))


def tier_step(cause: str, grant: TierGrant | None) -> str:
    """Why a tier changed; where a plan brought a level or took it along, which one and by what."""
    plan = plan_of_grant(grant) if grant else ""
    if grant is None or cause not in ("plan", "lapsed", "ended"):
        return tier_cause(cause)
    if not plan:
        return _("A given level came to its end") if cause == "lapsed" else tier_cause(cause)
    told = {"plan": grant.reason, "ended": grant.end_reason, "lapsed": ""}[cause]
    sentence = _PLAN_STEPS.get((cause, told))
    if sentence is None:
        return tier_cause(cause)
    name = words.plan_name(version_by_id(grant.programme_version_id).document, plan)
    return str(sentence) % {"plan": name}


_PLAN_STEPS: Mapping[tuple[str, str], str | Promise] = {
    ("plan", "trial"): gettext_lazy("With the plan %(plan)s, tried"),
    ("plan", "bought"): gettext_lazy("With the plan %(plan)s, bought"),
    ("plan", "gift"): gettext_lazy("With the plan %(plan)s, redeemed as a gift"),
    ("plan", "renewed"): gettext_lazy("With the plan %(plan)s, renewed"),
    ("plan", "auto_renewed"): gettext_lazy("With the plan %(plan)s, renewed automatically"),
    ("plan", "upgraded"): gettext_lazy("With the plan %(plan)s, upgraded to"),
    ("plan", "programme"): gettext_lazy("With the plan %(plan)s, as a new version has it"),
    ("ended", "refunded"): gettext_lazy("The plan %(plan)s was paid back"),
    ("ended", "upgraded"): gettext_lazy("The plan %(plan)s was given up for a better one"),
    ("ended", "programme"): gettext_lazy("A new version changed what the plan %(plan)s brings"),
    ("lapsed", ""): gettext_lazy("The term of the plan %(plan)s ended"),
}


def lot_state(state: str) -> str:
    """What can be done with a lot."""
    return str(LOT_STATES.get(state, state))
