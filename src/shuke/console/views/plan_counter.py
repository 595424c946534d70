"""What a form on a member's plans asks for, done: each act is one operation, booked once, and signed where money goes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy

from shuke.catalog.models import Store
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.refunds.approval import Beyond, Subject, beyond_cashier, carry_out
from shuke.console.views.cashier import signing
from shuke.core.models import Staff
from shuke.core.values import Actor, Permission
from shuke.kit.errors import ShukeError
from shuke.loyalty.plans.entitlements import redeem_entitlement, undo_entitlement
from shuke.loyalty.plans.errors import UnknownUse
from shuke.loyalty.plans.gifts import redeem_plan_code
from shuke.loyalty.plans.models import EntitlementUse
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.renewals import cancel_auto_renew, start_auto_renew
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, quote_upgrade, renew_plan, start_trial, upgrade_plan


class Counter:
    """One form sent at the counter: who acts, for whom, where, and what was typed."""

    FIELDS = (
        "act",
        "plan",
        "target",
        "tender",
        "reference",
        "code",
        "entitlement",
        "use",
        "reason",
        "expected",
        "sure",
    )

    def __init__(
        self,
        staff: Staff,
        member_id: UUID,
        store: Store | None,
        posted: Mapping[str, str],
        now: datetime,
    ) -> None:
        self.actor, self.member_id, self.store, self.now = staff.as_actor(), member_id, store, now
        self.approves = staff.may(Permission.CHECKOUT_APPROVE)
        self.approver: Actor | None = None
        """Who signed in the form, where somebody had to."""
        self.sent = {
            name: " ".join(posted.get(name, "").replace("\x00", "").split())[:300] for name in self.FIELDS
        }

    def words_of_need(self, given_back_minor: int) -> str:
        """Why a second person signs when so much is given back, in words; "" when nobody has to."""
        if self.approves:
            return ""
        need = beyond_cashier(given_back_minor=given_back_minor, sold_at=None, now=self.now)
        return signing.words_of_need(need, self.now)

    @property
    def who(self) -> dict[str, Any]:
        """What every operation is told."""
        return {"actor": self.actor, "member_id": self.member_id, "now": self.now}

    @property
    def plan(self) -> dict[str, Any]:
        """The same, with the plan."""
        return {**self.who, "plan": self.sent["plan"]}

    @property
    def expected(self) -> int | None:
        """The amount that the page showed."""
        text = self.sent["expected"]
        return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else None

    @property
    def sale(self) -> Sale:
        """How it is paid, here."""
        return Sale(self.sent["tender"], self.sent["reference"], self.store, "console")


def _buy(desk: Counter) -> str:
    return str(buy_plan(**desk.plan, sale=desk.sale).id)


def _try(desk: Counter) -> str:
    return str(start_trial(**desk.plan).id)


def _renew(desk: Counter) -> str:
    return str(renew_plan(**desk.plan, sale=desk.sale).id)


def _redeem_code(desk: Counter) -> str:
    return str(redeem_plan_code(**desk.who, code=desk.sent["code"]).id)


def _upgrade(desk: Counter) -> str:
    def work() -> dict[str, Any]:
        expected = desk.expected
        made = upgrade_plan(
            **desk.plan,
            target=desk.sent["target"],
            sale=desk.sale,
            enjoyed=enjoyed_on_sales,
            expected_minor=_upgrade_quote(desk)[0] if expected is None else expected,
        )
        return {"id": str(made.id)}

    return _signed(desk, work)


def _upgrade_quote(desk: Counter) -> tuple[int, int]:
    """(to pay less what is paid back, what is paid back)."""
    quote = quote_upgrade(
        member_id=desk.member_id,
        plan=desk.sent["plan"],
        target=desk.sent["target"],
        now=desk.now,
        enjoyed=enjoyed_on_sales,
    )
    return quote["to_pay_minor"] - quote["paid_back_minor"], quote["paid_back_minor"]


def _refund(desk: Counter) -> str:
    def work() -> dict[str, Any]:
        expected = desk.expected
        made = refund_plan(
            **desk.plan,
            sale=desk.sale,
            reason=desk.sent["reason"],
            enjoyed=enjoyed_on_sales,
            expected_minor=_due(desk) if expected is None else expected,
        )
        return {"id": str(made.id)}

    return _signed(desk, work)


def _due(desk: Counter) -> int:
    quote = quote_plan_refund(
        member_id=desk.member_id, plan=desk.sent["plan"], now=desk.now, enjoyed=enjoyed_on_sales
    )
    return int(quote["refund_minor"])


def need_of(desk: Counter) -> Beyond:
    """Why a second person signs this act; "" when nobody has to. It comes out of the same till as what a sale pays back, so
    the same limit holds. Raises what the quote of a refund or an upgrade refuses."""
    if desk.approves or desk.sent["act"] not in ("refund", "upgrade"):
        return ""
    if desk.sent["act"] == "refund":
        given_back = max(_due(desk), desk.expected or 0)
    else:
        given_back = max(_upgrade_quote(desk)[1], -(desk.expected or 0))
    return beyond_cashier(given_back_minor=given_back, sold_at=None, now=desk.now)


def _signed(desk: Counter, work: Callable[[], dict[str, Any]]) -> str:
    if desk.approver is None:
        return str(work()["id"])
    if desk.store is None:
        raise NoPlace(field="store")
    subject = Subject("member", desk.member_id, desk.store)
    return str(carry_out(work, actor=desk.actor, approver=desk.approver, subject=subject, now=desk.now)["id"])


def _auto_renew(desk: Counter) -> str:
    return str(start_auto_renew(**desk.plan).id)


def _cancel_auto_renew(desk: Counter) -> str:
    return str(cancel_auto_renew(**desk.plan).id)


def _hand_out(desk: Counter) -> str:
    if desk.store is None:
        raise NoPlace(field="store")
    made = redeem_entitlement(**desk.who, entitlement=desk.sent["entitlement"], store=desk.store)
    return str(made.id)


def _undo(desk: Counter) -> str:
    try:
        use_id = UUID(desk.sent["use"])
    except ValueError as error:
        raise PermissionDenied from error
    if not EntitlementUse.objects.filter(id=use_id, member_id=desk.member_id).exists():
        raise UnknownUse(field="use")  # another member's file was opened, or none
    return str(undo_entitlement(actor=desk.actor, use_id=use_id, reason=desk.sent["reason"], now=desk.now).id)


class NoPlace(ShukeError):
    """Something is handed out somewhere: the page has to know where."""

    code, status = "store_missing", 422
    message = gettext_lazy("Choose the store where you are in the bar above.")


WITH_SLIP = frozenset({"buy", "renew", "upgrade", "refund"})
"""Acts that move money: the customer gets a slip of each."""
NEEDS_REFUND = frozenset({"refund", "undo"})
"""Acts of those who may give back."""
ACTS: dict[str, tuple[Callable[[Counter], str], Any]] = {
    "buy": (_buy, gettext_lazy("The plan is sold.")),
    "try": (_try, gettext_lazy("The trial has begun.")),
    "renew": (_renew, gettext_lazy("The plan is renewed.")),
    "upgrade": (_upgrade, gettext_lazy("The plan is upgraded.")),
    "code": (_redeem_code, gettext_lazy("The gift code is redeemed.")),
    "refund": (_refund, gettext_lazy("The plan has ended. Give the money back.")),
    "auto_renew": (_auto_renew, gettext_lazy("The plan renews itself from now on.")),
    "cancel_auto_renew": (_cancel_auto_renew, gettext_lazy("The plan ends with its last term.")),
    "hand_out": (_hand_out, gettext_lazy("Handed out.")),
    "undo": (_undo, gettext_lazy("Taken back: the member may have it again.")),
}
