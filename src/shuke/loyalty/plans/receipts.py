"""What was sold or paid back of a plan, as its history keeps it: for a slip today and for the same slip in a year.

Money and days are those of the event, the way of paying is that of the term or the refund, and the plan is called as in the
programme that it was sold under. What the programme of today says does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from shuke.catalog.models import Store
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.loyalty.plans.models import PlanEvent, PlanRefund, PlanTerm
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.words import Document

WITH_RECEIPT = frozenset({"plan_bought", "plan_renewed", "plan_upgraded", "plan_refunded"})
"""Events in which a member paid for a plan or got money back for it."""
_NUMBER = re.compile(r"P([0-9]{6})-([0-9A-F]{8})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PlanReceipt:
    """One of them. Amounts in minor units: of a sale paid = price − credit, of a refund paid − kept = given back."""

    event: PlanEvent
    number: str
    document: Document
    """The programme that the plan was sold under."""
    former: str
    """The plan that was given up for this one; "" for all but an upgrade."""
    store: Store | None
    currency: str
    begin: datetime | None
    end: datetime | None
    """Of the term that was sold, or of those that a refund ended: when the last would have ended. None: not known any more."""
    price_minor: int
    credit_minor: int
    paid_minor: int
    given_back_minor: int
    tender: str
    reference: str
    reason: str

    @property
    def is_refund(self) -> bool:
        return self.event.kind == "plan_refunded"

    @property
    def kept_minor(self) -> int:
        """Of what was paid for the terms that a refund ended, what was not given back."""
        return self.paid_minor - self.given_back_minor


def number_of(event_id: UUID, document: Document) -> str:
    """The number of a slip: the day where the programme is at home and eight letters of the event's id: `P261122-9F04C1D7`."""
    written = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    day = local_date(written, ZoneInfo(document.get("time_zone", "UTC")))
    return f"P{day:%y%m%d}-{event_id.hex[-8:].upper()}"


def find_plan_event(number: str) -> UUID | None:
    """The event of a slip's number as typed; None when there is none. Walks the ids of that day, wherever it was."""
    parts = _NUMBER.fullmatch(number.strip())
    if parts is None:
        return None
    try:
        day = datetime.strptime(parts[1], "%y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    first, last = (_first_id(at) for at in (day - timedelta(days=1), day + timedelta(days=2)))
    rows = PlanEvent.objects.filter(id__gte=first, id__lt=last, kind__in=WITH_RECEIPT, member__isnull=False)
    tail = parts[2].lower()
    return next((found for found in rows.values_list("id", flat=True) if found.hex.endswith(tail)), None)


def plan_event_of(*, member_id: UUID, made_id: UUID) -> UUID | None:
    """The event that tells of a term that was sold, or of a refund; None for what needs no receipt."""
    rows = PlanEvent.objects.filter(
        Q(data__term_id=str(made_id)) | Q(data__refund_id=str(made_id)),
        member_id=member_id,
        kind__in=WITH_RECEIPT,
    )
    return rows.order_by("-id").values_list("id", flat=True).first()


def find_plan_receipt(event_id: UUID) -> PlanReceipt | None:
    """None when there is no such event, or none in which money moved. Three queries."""
    event = PlanEvent.objects.filter(id=event_id, kind__in=WITH_RECEIPT, member__isnull=False).first()
    if event is None:
        return None
    return _of_refund(event) if event.kind == "plan_refunded" else _of_sale(event)


def _of_sale(event: PlanEvent) -> PlanReceipt:
    data: Mapping[str, Any] = event.data
    term = PlanTerm.objects.select_related("store").get(id=data["term_id"])
    document = version_by_id(term.programme_version_id).document
    return PlanReceipt(
        event=event,
        number=number_of(event.id, document),
        document=document,
        former=data.get("from", ""),
        store=term.store,
        currency=data["currency"],
        begin=datetime.fromisoformat(data["starts_at"]),
        end=datetime.fromisoformat(data["ends_at"]),
        price_minor=data["price_minor"],
        credit_minor=data.get("credit_minor", 0),
        paid_minor=data["paid_minor"],
        given_back_minor=data.get("paid_back_minor", 0),
        tender=term.tender,
        reference=term.reference,
        reason="",
    )


def _of_refund(event: PlanEvent) -> PlanReceipt:
    data: Mapping[str, Any] = event.data
    refund = PlanRefund.objects.select_related("store").get(id=data["refund_id"])
    # By the instant of the refund: it closed them.
    closed = PlanTerm.objects.filter(holding_id=refund.holding_id, closed_at=refund.occurred_at)
    ended = list(closed.order_by("seq"))
    sold_under = version_by_id(ended[-1].programme_version_id) if ended else None
    in_force = programme_at(refund.occurred_at)
    known = sold_under or (version_by_id(in_force.version_id) if in_force else None)
    document = known.document if known else {}
    return PlanReceipt(
        event=event,
        number=number_of(event.id, document),
        document=document,
        former="",
        store=refund.store,
        currency=data["currency"],
        begin=ended[0].starts_at if ended else None,
        end=ended[-1].ends_at if ended else None,
        price_minor=data["paid_minor"],
        credit_minor=0,
        paid_minor=data["paid_minor"],
        given_back_minor=data["refund_minor"],
        tender=refund.tender,
        reference=refund.reference,
        reason=refund.reason,
    )


def _first_id(at: datetime) -> UUID:
    """The smallest id that an instant can have."""
    return UUID(int=uuid7(at).int >> 80 << 80)
