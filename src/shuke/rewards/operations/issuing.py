"""Hand out coupons to members: set-based, each once per template, source, reference and number, never beyond the stock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import OperationalError, connection, transaction

from shuke.core.operations import record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.rewards.errors import CouponsOutOfStock, CouponTemplateOver
from shuke.rewards.events import ISSUED
from shuke.rewards.models import Coupon
from shuke.rewards.operations.counting import stock_left, take_counter
from shuke.rewards.terms import terms_of
from shuke.rewards.values import CouponTemplate

MAX_REASON = 300
MAX_REFERENCE = 80


@dataclass(frozen=True, slots=True)
class Issued:
    """The new pieces as (id, member). `known`: how many had been handed out by an earlier call already."""

    coupons: tuple[tuple[UUID, UUID], ...]
    known: int
    left_out: int = 0
    """Pieces that the stock no longer held, when fewer were welcome."""


def issue_coupons(
    *,
    actor: Actor,
    template: CouponTemplate,
    version_id: UUID,
    zone: ZoneInfo,
    member_ids: Sequence[UUID],
    source: str,
    reference: str,
    now: datetime,
    count: int = 1,
    reason: str = "",
    fewer: bool = False,
) -> Issued:
    """`count` pieces of the template to each member, once for each (template, member, source, reference).

    Called again it hands out what is missing. Whether the members are active is the caller's to know. In one transaction with
    others: call in the order of template codes, so that no two wait for each other. Limits of a member (`per_member`) bind
    what members use and claim, not what they are given. With `fewer`, a stock that is too small is handed out as far as it
    goes; else nothing is handed out.

    :param source: manual, auto, claim, pack, campaign, order or reward; `reference` says which one.
    :param reason: why, when a person decided it; it stays with the piece and in the audit log.
    :raises CouponTemplateOver: when the template's fixed days are over.
    :raises CouponsOutOfStock: when the stock has fewer pieces.
    """
    reason = clean_text("reason", reason, MAX_REASON)
    reference = clean_text("reference", reference, MAX_REFERENCE)
    begins, ends = terms_of(template.validity, now, zone)
    if ends is not None and (ends <= now or ends <= begins):
        raise CouponTemplateOver(template=template.code)
    document: dict[str, Any] = {
        "template": template.code,
        "source": source,
        "reference": reference,
        "count": count,
        "valid_from": begins.isoformat(),
        "valid_until": ends.isoformat() if ends else None,
        "at": now.isoformat(),
        "version": str(version_id),
        "cause": reason,
        "actor": actor.reference,
        "s": template.limits.stock,
        "a": template.limits.alarm_percent,
    }
    members, left_out = list(dict.fromkeys(member_ids)), 0
    with transaction.atomic():
        if fewer and template.limits.stock is not None:
            members, left_out = _within_stock(template.code, template.limits.stock, members, document)
        made = _issue(members, document, template)
        if made and actor.kind != "system":
            alone = len(members) == 1
            record_audit(
                actor=actor,
                action=ISSUED,
                now=now,
                object_type="member" if alone else "coupon_template",
                object_id=members[0] if alone else template.code,
                reason=reason,
                data={
                    "template": template.code,
                    "source": source,
                    "reference": reference,
                    "pieces": len(made),
                },
            )
    return Issued(tuple(made), len(members) * count - len(made), left_out)


def _issue(
    members: Sequence[UUID], document: dict[str, Any], template: CouponTemplate
) -> list[tuple[UUID, UUID]]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT coupon_id, member_id FROM rewards_issue(%s::uuid[], %s::jsonb)",
                [list(members), json.dumps(document)],
            )
            return [(coupon_id, member_id) for coupon_id, member_id in cursor.fetchall()]
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != "40001":
            raise
        asked = len(members) * document["count"]
        raise CouponsOutOfStock(template=template.code, left=stock_left(template), asked=asked) from error


def _within_stock(
    template: str, stock: int, members: list[UUID], document: dict[str, Any]
) -> tuple[list[UUID], int]:
    """Those of the members for whom there are pieces, first come first; and how many pieces are missing."""
    count = document["count"]
    room = max(stock - take_counter(template).issued, 0) // count
    have = set(
        Coupon.objects.filter(
            issued_to__in=members,
            template=template,
            source=document["source"],
            reference=document["reference"],
            nth=count,
        ).values_list("issued_to", flat=True)
    )
    fresh = [member_id for member_id in members if member_id not in have]
    served = {*fresh[:room], *have}
    return [each for each in members if each in served], len(fresh[room:]) * count
