"""Entitlements at the counter: what a member may still have, having it, and taking a use back.

Two counters that serve one member at once wait for the member's book, so a quota is never passed; pieces in stock are one
row that all draw on, touched last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store
from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.loyalty.benefits import Allowance, Held, allowances_of
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.models import MemberGroup, TrackStanding
from shuke.loyalty.plans.errors import (
    EntitlementNotHere,
    EntitlementOutOfStock,
    EntitlementUsedUp,
    UnknownEntitlement,
    UnknownUse,
    UseUndone,
)
from shuke.loyalty.plans.models import EntitlementUse, GiftStock, PlanTerm
from shuke.loyalty.plans.rows import lock_member, require_member
from shuke.loyalty.plans.use import bringer
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.tier_logic import beside_plans
from shuke.loyalty.tier_rows import lowest, states_of
from shuke.loyalty.tiers import MAIN
from shuke.members.queries import joined_days

MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class EntitlementState:
    """What is left of one entitlement. `stock_left`: None when it is not limited."""

    allowance: Allowance
    used: int
    stock_left: int | None

    @property
    def left(self) -> int:
        left = max(self.allowance.quota - self.used, 0)
        return left if self.stock_left is None else min(left, self.stock_left)


@dataclass(frozen=True, slots=True)
class Holder:
    """A member's tier and plans, and the local day on which the present term of each began.

    `through`: the plan through which the member is served as a level above their own; "" for none.
    """

    held: list[Held]
    terms: dict[str, date]
    through: str
    plans: dict[str, datetime]
    """Those held, by code, and since when."""

    def givers(self, sources: Sequence[str]) -> list[str]:
        """Who is said to have given a use: a level that a plan brought was given by the plan, and of several plans the one
        that is held longest comes first."""
        level = self.held[0].source
        own = [f"plan:{self.through}" if self.through and each == level else each for each in sources]
        since = {f"plan:{code}": (at, code) for code, at in self.plans.items()}
        tiers = [each for each in own if each not in since]
        return tiers + sorted({each for each in own if each in since}, key=since.__getitem__)


def holder_of(programme: Programme, member_id: UUID, now: datetime) -> Holder:
    """What a member holds now, with since when."""
    joined = joined_days([member_id])
    stored = states_of([member_id], MAIN, joined).get(member_id)
    own = beside_plans(programme.tiers, stored or lowest(programme.tiers, joined[member_id]))
    tier = own.tier
    groups = MemberGroup.objects.filter(member_id=member_id, kind="plan", since__lte=now, until__gt=now)
    plans = dict(groups.values_list("code", "since"))
    rows = list(TrackStanding.objects.filter(member_id=member_id)) if programme.tracks else []
    levels = {row.track: row for row in rows}
    held = programme.held(tier, plans, {track: row.tier for track, row in levels.items()})
    began = {f"tier:{tier}": own.since}
    through = bringer(programme, held[0].code, plans) if held[0].code != tier else ""
    if through:
        began[held[0].source] = plans[through]
    if stored and stored.tier == held[0].code:
        # Held without a gap since then, whatever brought it meanwhile: no quota begins anew when one of two plans ends.
        began[held[0].source] = stored.since
    began |= {f"tier:{row.tier}": row.since for row in levels.values()}
    terms = PlanTerm.objects.filter(
        member_id=member_id, plan__in=list(plans), starts_at__lte=now, closed_at=None
    ).order_by("seq")
    began |= {f"plan:{code}": since for code, since in plans.items()}
    began |= {f"plan:{code}": starts for code, starts in terms.values_list("plan", "starts_at")}
    days = {source: local_date(at, programme.zone) for source, at in began.items()}
    return Holder(held, days, through, plans)


def entitlements_of(*, member_id: UUID, now: datetime) -> list[EntitlementState]:
    """What the member is entitled to now, and what is left of it. Raises NoProgramme."""
    programme = _in_force(now).programme
    holder, day = holder_of(programme, member_id, now), local_date(now, programme.zone)
    allowances = allowances_of(holder.held, holder.terms, day, programme.policies.benefit_stacking)
    taken = dict(
        GiftStock.objects.filter(
            entitlement__in=[a.entitlement.code for a in allowances if a.entitlement.stock]
        ).values_list("entitlement", "used")
    )
    used = _used(member_id, allowances)
    return [
        EntitlementState(
            each,
            used[each.entitlement.code],
            each.entitlement.stock - taken.get(each.entitlement.code, 0) if each.entitlement.stock else None,
        )
        for each in allowances
    ]


def redeem_entitlement(
    *, actor: Actor, member_id: UUID, entitlement: str, store: Store, now: datetime
) -> EntitlementUse:
    """Hand out one of what the member is entitled to.

    Raises UnknownEntitlement, EntitlementNotHere, EntitlementUsedUp, EntitlementOutOfStock.
    """
    programme = _in_force(now).programme
    with transaction.atomic():
        require_member(member_id)
        lock_member(member_id)
        holder, day = holder_of(programme, member_id, now), local_date(now, programme.zone)
        found = {
            a.entitlement.code: a
            for a in allowances_of(holder.held, holder.terms, day, programme.policies.benefit_stacking)
        }
        allowance = found.get(entitlement)
        if allowance is None:
            raise UnknownEntitlement(field="entitlement")
        spec = allowance.entitlement
        if spec.stores and store.code not in spec.stores:
            raise EntitlementNotHere(field="store", store=store.code)
        used = _used(member_id, [allowance])[spec.code]
        if used >= allowance.quota:
            raise EntitlementUsedUp(field="entitlement", quota=allowance.quota)
        sources, period = allowance.next_use(used)
        use = EntitlementUse.objects.create(
            id=uuid7(),
            member_id=member_id,
            entitlement=spec.code,
            sources=" ".join(holder.givers(sources)),
            period=period,
            amount=1,
            counted=spec.stock is not None,
            worth_minor=spec.worth,
            occurred_at=now,
            store=store,
            actor=actor.reference,
        )
        _tell(actor, "loyalty.entitlement_used.v1", use, now)
        if spec.stock is not None:
            _draw(spec.code, spec.stock)
    return use


def undo_entitlement(*, actor: Actor, use_id: UUID, reason: str, now: datetime) -> EntitlementUse:
    """Take a use back: the member may have it again. Raises UnknownUse, UseUndone."""
    reason = clean_text("reason", reason, MAX_REASON)
    if not reason:
        raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the use."))
    with transaction.atomic():
        use = EntitlementUse.objects.select_related("store").filter(id=use_id, amount=1).first()
        if use is None or not actor.may_touch_store(use.store_id):
            raise UnknownUse(field="use")
        lock_member(use.member_id)
        if EntitlementUse.objects.filter(undoes=use).exists():
            raise UseUndone(field="use")
        undone = EntitlementUse.objects.create(
            id=uuid7(),
            member_id=use.member_id,
            entitlement=use.entitlement,
            sources=use.sources,
            period=use.period,
            amount=-1,
            counted=use.counted,
            worth_minor=use.worth_minor,
            occurred_at=now,
            store=use.store,
            undoes=use,
            reason=reason,
            actor=actor.reference,
        )
        _tell(actor, "loyalty.entitlement_use_undone.v1", undone, now, reason)
        if use.counted:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE loyalty_giftstock SET used = used - 1 WHERE entitlement = %s", [use.entitlement]
                )
    return undone


@dataclass(frozen=True, slots=True)
class RecentUse:
    """Something that was handed out, and whether it was taken back."""

    use: EntitlementUse
    undone: bool


def recent_uses(*, member_id: UUID, limit: int) -> list[RecentUse]:
    """What the member had at the counter, newest first. One query."""
    uses = EntitlementUse.objects.filter(member_id=member_id, amount=1).select_related("store", "undone_by")
    return [RecentUse(use, hasattr(use, "undone_by")) for use in uses.order_by("-occurred_at", "-id")[:limit]]


def _draw(code: str, stock: int) -> None:
    """One piece of the stock. Raises EntitlementOutOfStock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO loyalty_giftstock AS g (entitlement, used) VALUES (%s, 1)"
            " ON CONFLICT (entitlement) DO UPDATE SET used = g.used + 1 WHERE g.used < %s RETURNING 1",
            [code, stock],
        )
        if cursor.fetchone() is None:
            raise EntitlementOutOfStock(field="entitlement", stock=stock)


def _used(member_id: UUID, allowances: Sequence[Allowance]) -> dict[str, int]:
    """How many of each the member had in the present periods of its givers. One query."""
    uses = EntitlementUse.objects.filter(
        member_id=member_id,
        entitlement__in=[each.entitlement.code for each in allowances],
        period__in=frozenset().union(*(each.periods for each in allowances)),
    )
    sums = {
        (code, period): total
        for code, period, total in uses.values_list("entitlement", "period").annotate(total=Sum("amount"))
    }
    return {
        each.entitlement.code: sum(sums.get((each.entitlement.code, day), 0) for day in each.periods)
        for each in allowances
    }


def _tell(actor: Actor, name: str, use: EntitlementUse, now: datetime, reason: str = "") -> None:
    facts = {
        "use_id": str(use.id),
        "entitlement": use.entitlement,
        "sources": use.sources,
        "period": use.period.isoformat(),
        "store": use.store.code,
    }
    record_audit(
        actor=actor,
        action=name,
        now=now,
        object_type="member",
        object_id=use.member_id,
        store_id=use.store_id,
        reason=reason,
        data=facts,
    )
    publish_event(name=name, member_id=use.member_id, occurred_at=now, payload=facts)


def _in_force(now: datetime) -> InForce:
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force
