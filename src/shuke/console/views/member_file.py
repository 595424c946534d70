"""The file of one member: who they are (masked), what they hold and why, what they bought and like, who looked at them.

Parts that have pages of their own (ledger, orders, tiers, log) answer alone when htmx asks for one of them. Nothing of
these pages is ever kept by a browser or proxy. Who may open whose file is told in `member_access`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import segno
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from shuke.analytics.queries import member_insights
from shuke.analytics.zone import reporting_currency
from shuke.catalog.models import Channel, Store
from shuke.checkout import words
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.models import OrderStatus
from shuke.checkout.queries import OrderFilters, get_order, list_orders, qualifying_totals
from shuke.console import formats, member_words
from shuke.console.access import requires, staff_of
from shuke.console.member_access import open_member, visible_stores
from shuke.console.member_forms import UnmaskForm, refuse
from shuke.console.views.member_habits import habits
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.queries import AuditFilters, list_audit
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.queries import AssetBalance, EntryView, balances_of, list_acts
from shuke.loyalty.models import Standing
from shuke.loyalty.plans.queries import held_plans
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce, programme_at, unit_currency_at, version_by_id
from shuke.loyalty.tier_history import held_tiers, list_tier_changes
from shuke.loyalty.tier_logic import window_start
from shuke.loyalty.tiers import MAIN
from shuke.loyalty.words import asset_name, asset_word, plan_name, tier_name, track_name
from shuke.members.errors import ProfileErased
from shuke.members.models import IdentifierKind, MemberStatus
from shuke.members.operations import unmask_profile
from shuke.members.profile import Gender, Profile
from shuke.members.qr import issue_qr
from shuke.members.queries import list_attribute_definitions, list_identifiers, open_profiles
from shuke.members.values import Candidate

ENTRIES = 10
ORDERS = 8
CHANGES = 5
LOG = 8
QR_ROUNDS = 10
"""How often a shown code renews itself before somebody must ask again."""
POINTS, ALL = "points", "all"
HIDDEN = "****"

Part = Callable[["Opened"], dict[str, Any]]


class Opened:
    """A member's file as it is being drawn: what several parts of it need, read once."""

    def __init__(self, request: HttpRequest, member_id: UUID) -> None:
        self.request = request
        self.staff = staff_of(request)
        self.now = clock.now()
        self.member = open_member(request, member_id)
        self.in_force: InForce | None = programme_at(self.now)
        self.document = version_by_id(self.in_force.version_id).document if self.in_force else None
        self.currency = reporting_currency(self.now)
        self.problems: list[str] = []

    @property
    def id(self) -> UUID:
        """The member's id."""
        return self.member.member_id

    def href(self, part: str, **changes: str | None) -> str:
        """The address of the file with some parts on another page; None drops a part."""
        address = QueryDict(mutable=True)
        kept = {
            key: self.request.GET[key]
            for key in ("asset", "entries", "orders", "tiers", "log")
            if key in self.request.GET
        }
        for key, value in {**kept, **changes}.items():
            if value:
                address[key] = value
        return f"{reverse('console:member', args=[self.id])}?{address.urlencode()}#{part}"

    def tier(self, code: str) -> str:
        """The name of a tier."""
        return tier_name(self.document, code) if self.document else code


@requires(Permission.MEMBERS_VIEW)
@never_cache
def member(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The whole file, or the one part that htmx asks for."""
    opened = Opened(request, member_id)
    part = request.headers.get("HX-Target", "")
    if part in PARTS:
        template, made = PARTS[part]
        answer = render(
            request, template, {"member": opened.member, **made(opened), "problems": opened.problems}
        )
    else:
        answer = render(request, "console/member.html", file_context(opened, UnmaskForm()))
    patch_vary_headers(answer, ["HX-Target"])
    return answer


@requires(Permission.MEMBERS_UNMASK)
@never_cache
def unmask(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The file with the personal data in clear, for this one answer; the look and its reason are on record."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("console:member", args=[member_id]))
    opened = Opened(request, member_id)
    form = UnmaskForm(request.POST)
    if form.is_valid():
        try:
            profile = unmask_profile(
                actor=opened.staff.as_actor(),
                now=opened.now,
                member_id=member_id,
                reason=form.cleaned_data["reason"],
            )
        except NotFound as error:
            raise Http404 from error
        except ShukeError as error:
            refuse(form, error)
        else:
            return render(request, "console/member.html", file_context(opened, UnmaskForm(), profile))
    return render(request, "console/member.html", file_context(opened, form), status=422)


@requires(Permission.MEMBERS_VIEW)
@never_cache
def member_order(request: HttpRequest, member_id: UUID, order_id: UUID) -> HttpResponse:
    """One order of the member, with its lines."""
    opened = Opened(request, member_id)
    try:
        order = get_order(order_id=order_id, store_ids=visible_stores(request))
    except OrderNotFound as error:
        raise Http404 from error
    if order["member_id"] != member_id:
        raise Http404
    for line in order["lines"]:
        line["explained"] = [
            (words.explain_discount(detail, order["programme_version"]), detail["minor"])
            for detail in line["discounts"]
        ]
    context = {
        "member": opened.member,
        "order": order,
        "store": Store.objects.filter(code=order["store"]).first(),
        "tier": opened.tier(order["tier"]),
        "refund_href": _refund_address(opened, order),
        "part": "console/member_order.html",
        "title": _("Order %(number)s") % {"number": order["number"]},
    }
    return render(
        request,
        "console/member_order.html" if request.headers.get("HX-Request") else "console/member_part.html",
        context,
    )


# Whoever holds the code can pay with the member's points, so it takes more than leave to look.
@requires(Permission.MEMBERS_WRITE)
@never_cache
def member_code(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The member's code of this minute, on white, as the member's phone would show it. It renews itself ten times."""
    opened = Opened(request, member_id)
    if opened.member.status != MemberStatus.ACTIVE:
        raise Http404
    token, expires_at = issue_qr(opened.id, opened.now)
    given = request.GET.get("round", "1")
    turn = min(int(given), QR_ROUNDS) if given.isascii() and given.isdigit() and len(given) < 4 else 1
    context = {
        "member": opened.member,
        "svg": segno.make_qr(token, error="m").svg_inline(
            scale=4, border=2, svgclass="", lineclass="", omitsize=True, dark="#000", light="#fff"
        ),
        "expires_at": expires_at,
        "seconds": max(1, int((expires_at - opened.now).total_seconds()) + 1),
        "next_round": turn + 1 if turn < QR_ROUNDS else 0,
        "part": "console/member_code.html",
        "title": _("Member code"),
    }
    return render(
        request,
        "console/member_code.html" if request.headers.get("HX-Request") else "console/member_part.html",
        context,
    )


def _plans_held(opened: Opened) -> list[str]:
    """Names of the paid plans that the member has now."""
    if opened.document is None or opened.in_force is None or not opened.in_force.programme.plans:
        return []
    return [plan_name(opened.document, code) for code in held_plans(member_id=opened.id, now=opened.now)]


def file_context(opened: Opened, form: UnmaskForm, profile: Profile | None = None) -> dict[str, Any]:
    """Everything of the page; `profile` when it is shown in clear."""
    may = opened.staff.may
    member = opened.member
    definitions = {each.code: each for each in list_attribute_definitions()}
    known = open_profiles([opened.id]).get(opened.id)
    context = {
        "opened": opened,
        "member": member,
        "problems": opened.problems,
        "currency": opened.currency,
        "erased": known is None,
        "in_clear": profile is not None,
        "unmask_form": form,
        "name": (profile.name if profile else member.name) or member.number,
        "status": dict(MemberStatus.choices)[member.status],
        "status_kind": member_words.STATUS_KINDS[MemberStatus(member.status)],
        "is_active": member.status == MemberStatus.ACTIVE,
        "generated": member_words.GENERATED in member.tags,
        "generated_tag": member_words.GENERATED,
        "sample_tag": member_words.SAMPLE,
        "profile_rows": _profile_rows(member, known, profile),
        "identifiers": _identifiers(opened),
        "attributes": member_words.attribute_rows(member.attributes, definitions),
        "personal_attributes": _personal_attributes(known, profile, definitions),
        "join_channel": Channel.objects.filter(code=member.join_channel or "")
        .values_list("name", flat=True)
        .first()
        or member.join_channel,
        "join_store": Store.objects.filter(id=member.join_store_id).first() if member.join_store_id else None,
        "may_unmask": may(Permission.MEMBERS_UNMASK) and known is not None,
        "may_write": may(Permission.MEMBERS_WRITE),
        "may_adjust": may(Permission.LEDGER_ADJUST),
        "may_sell": may(Permission.CHECKOUT_USE),
        "has_offline": opened.in_force is not None and opened.in_force.programme.offline.allows,
        "has_stored": opened.in_force is not None and opened.in_force.programme.stored_value is not None,
        "has_plans": opened.in_force is not None and opened.in_force.programme.serves_holders,
        "plans_held": _plans_held(opened),
        "may_read_log": may(Permission.AUDIT_VIEW),
        "balances": _balances(opened),
        "insights": member_insights(opened.id, now=opened.now),
        **_tier_card(opened),
        **entries_part(opened),
        **orders_part(opened),
        **tiers_part(opened),
    }
    context |= habits(context["insights"], opened.currency)
    if context["may_read_log"]:
        context |= log_part(opened, definitions)
    return context


def _profile_rows(
    member: Candidate, known: Profile | None, shown: Profile | None
) -> list[tuple[str, str, str]]:
    """(field, label, text): in clear when shown, else masked, else a dash for what is not on file."""
    if known is None:
        return []
    if shown:
        genders = dict(Gender.choices)
        texts = {
            "name": shown.name,
            "phone": shown.phone,
            "email": shown.email,
            "birthday": formats.day(shown.birthday) if shown.birthday else "",
            "gender": str(genders.get(shown.gender, "")),
            "address": shown.address,
            "note": shown.note,
        }
    else:
        texts = {
            "name": member.name,
            "phone": member.phone,
            "email": member.email,
            # The month alone says what the till needs to know of a birthday.
            "birthday": f"****-{known.birthday:%m}-**" if known.birthday else "",
            **{key: HIDDEN if getattr(known, key) else "" for key in ("gender", "address", "note")},
        }
    return [(key, str(member_words.PROFILE_LABELS[key]), text or "–") for key, text in texts.items()]


def _personal_attributes(
    known: Profile | None, shown: Profile | None, definitions: Mapping[str, Any]
) -> Sequence[tuple[str, str]]:
    if shown:
        return member_words.attribute_rows(shown.extra, definitions)
    codes = known.extra if known else ()
    return sorted((member_words.attribute_label(definitions.get(code), code), HIDDEN) for code in codes)


def _identifiers(opened: Opened) -> list[dict[str, Any]]:
    kinds = dict(IdentifierKind.choices)
    try:
        found = list_identifiers(opened.id)
    except ProfileErased:
        return []
    return [{"kind": str(kinds.get(each.kind, each.kind)), "row": each} for each in found]


def _balances(opened: Opened) -> list[dict[str, Any]]:
    """Each asset; points and growth also when they never moved."""
    held = {each.asset: each for each in balances_of(opened.id, opened.now)}
    names, unit = _assets(opened), unit_currency_at(opened.now)
    rows = []
    for asset in [*names, *(each for each in held if each not in names)]:
        balance = held.get(asset) or AssetBalance(asset, 0, 0, 0, 0, 0, ())
        rows.append(
            {
                "asset": asset,
                "name": asset_name(opened.document, asset) if opened.document else asset,
                "balance": balance,
                "unit": unit(asset),
                "soon": sum(each.amount for each in balance.expiring),
            }
        )
    return rows


def _assets(opened: Opened) -> list[str]:
    """The assets of the programme, points first."""
    return (
        sorted(opened.document["assets"], key=lambda each: (each != POINTS, each)) if opened.document else []
    )


def _tier_card(opened: Opened) -> dict[str, Any]:
    """The tier held, what counted towards it, and what the next one takes. Amounts as text."""
    if opened.in_force is None:
        return {"tier": None}
    programme = opened.in_force.programme
    tiers = programme.tiers
    standing = Standing.objects.filter(member_id=opened.id).first()
    level = tiers.level(standing.tier) if standing else tiers.levels[0]
    total = qualifying_totals([opened.id], {opened.id: opened.now})[opened.id]
    above = tiers.levels[level.rank + 1] if level.rank + 1 < len(tiers.levels) else None
    shown: Callable[[int], str] = (
        (lambda figure: formats.money(figure, programme.currency))
        if tiers.metric == "spend"
        else formats.number
    )
    return {
        "tier": {
            "name": opened.tier(level.code),
            "rank": min(level.rank, 4),
            "since": standing.since if standing else opened.member.joined_at,
            "review_at": standing.review_at if standing else None,
            "by_spend": tiers.metric == "spend",
            "total": shown(total),
            "window_start": window_start(tiers, opened.now, opened.member.joined_at),
            "next": opened.tier(above.code) if above else "",
            "next_threshold": shown(above.threshold) if above else "",
            "missing": shown(max(above.threshold - total, 0)) if above else "",
            "reached": bool(above) and total >= above.threshold if above else False,
            "value": min(total, above.threshold) if above else 1,
            "max": above.threshold if above else 1,
            "keep": shown(level.threshold) if level.rank else "",
            "keep_missing": shown(level.threshold - total) if total < level.threshold else "",
            "multiplier": level.multiplier,
            "others": _other_tracks(opened, programme),
        }
    }


def _other_tracks(opened: Opened, programme: Programme) -> list[dict[str, Any]]:
    """What the member holds on the further tracks of the programme, for their chips."""
    if not programme.tracks:
        return []
    return [
        {
            "track": track_name(opened.document or {}, each.tiers.code),
            "name": opened.tier(each.state.tier),
            "rank": min(each.tiers.level(each.state.tier).rank, 4),
        }
        for each in held_tiers(opened.id, opened.now)
        if each.tiers.code
    ]


def entries_part(opened: Opened) -> dict[str, Any]:
    """The ledger of the member, each act explained: what it took from or gave to several lots is one row."""
    asked = opened.request.GET
    assets = _assets(opened)
    asset = asked.get("asset", POINTS)
    asset = asset if asset in assets or asset == ALL else POINTS
    page = _page(
        opened,
        lambda cursor: list_acts(
            opened.id, asset=None if asset == ALL else asset, cursor=cursor, limit=ENTRIES
        ),
        "entries",
    )
    acts = page.acts if page else []
    stores = Store.objects.in_bulk({legs[0].store_id for legs in acts if legs[0].store_id})
    unit = unit_currency_at(opened.now)
    rows: dict[tuple[UUID, str, datetime | None, str], list[EntryView]] = {}
    for entry in chain.from_iterable(acts):
        key = (entry.transfer_id, entry.asset, _last_day(entry), words.explain_entry(entry))
        rows.setdefault(key, []).append(entry)
    return {
        "entries": [
            {
                "entry": legs[0],
                "amount": sum(leg.amount for leg in legs),
                "lots": len({leg.lot_id for leg in legs}),
                "kind": words.kind_of(legs[0].kind).name,
                "tone": words.kind_of(legs[0].kind).tone,
                "asset": asset_name(opened.document, legs[0].asset) if opened.document else legs[0].asset,
                "unit": unit(legs[0].asset),
                "words": sentence,
                "last_day": last_day,
                "store": stores[legs[0].store_id].name if legs[0].store_id in stores else "",
            }
            for (_transfer, _asset, last_day, sentence), legs in rows.items()
        ],
        "entry_assets": [
            (code, text, opened.href("ledger", asset=code, entries=None))
            for code, text in [
                *((each, asset_name(opened.document, each)) for each in assets if opened.document),
                (ALL, _("All")),
            ]
        ],
        "entry_asset": asset,
        "growth_name": asset_word(opened.document, "growth"),
        "entries_first": opened.href("ledger", entries=None) if asked.get("entries") else "",
        "entries_next": opened.href("ledger", entries=page.next_cursor) if page and page.next_cursor else "",
    }


def _last_day(entry: EntryView) -> datetime | None:
    """The last day on which what was earned is good, as an instant within it."""
    if entry.kind != "earn" or entry.lot_expires_at is None:
        return None
    return entry.lot_expires_at - timedelta(microseconds=1)


def orders_part(opened: Opened) -> dict[str, Any]:
    """The member's orders in the stores that this person covers, newest first."""
    filters = OrderFilters(member_id=opened.id, store_ids=visible_stores(opened.request))
    page = _page(opened, lambda cursor: list_orders(filters, cursor, limit=ORDERS), "orders")
    orders = page.orders if page else []
    stores = {
        store.code: store.name
        for store in Store.objects.filter(code__in={order["store"] for order in orders})
    }
    return {
        "orders": [
            {
                **order,
                "store_name": stores.get(order["store"], order["store"]),
                "refunded": order["status"] != OrderStatus.COMMITTED,
            }
            for order in orders
        ],
        "orders_limited": filters.store_ids is not None,
        "orders_first": opened.href("orders", orders=None) if opened.request.GET.get("orders") else "",
        "orders_next": opened.href("orders", orders=page.next_cursor) if page and page.next_cursor else "",
    }


def tiers_part(opened: Opened) -> dict[str, Any]:
    """The changes of tier, newest first, each with its cause."""
    by_spend = opened.in_force is None or opened.in_force.programme.tiers.metric == "spend"
    page = _page(
        opened, lambda cursor: list_tier_changes(opened.id, track=MAIN, cursor=cursor, limit=CHANGES), "tiers"
    )
    changes = [(step.change, step.grant) for step in page.steps] if page else []
    return {
        "changes": [
            {
                "at": each.occurred_at,
                "before": opened.tier(each.from_tier),
                "after": opened.tier(each.to_tier),
                "rank": _rank(opened, each.to_tier),
                "cause": words.tier_step(each.cause, grant),
                # What was given or ended was not decided by a figure.
                "metric": ""
                if grant
                else formats.money(each.metric, opened.currency)
                if by_spend
                else formats.number(each.metric),
            }
            for each, grant in changes
        ],
        "changes_first": opened.href("tiers", tiers=None) if opened.request.GET.get("tiers") else "",
        "changes_next": opened.href("tiers", tiers=page.next_cursor) if page and page.next_cursor else "",
    }


def log_part(opened: Opened, definitions: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Who looked at the file or changed it, newest first."""
    if not opened.staff.may(Permission.AUDIT_VIEW):
        raise Http404
    known = (
        definitions if definitions is not None else {each.code: each for each in list_attribute_definitions()}
    )
    filters = AuditFilters(object_type="member", object_id=str(opened.id))
    page = _page(opened, lambda cursor: list_audit(filters, cursor, limit=LOG), "log")
    acts = []
    for event in page.events if page else []:
        act, parts = member_words.describe_act(event, known)
        acts.append(
            {"event": event, "act": act, "parts": parts, "looked": event.action == member_words.UNMASK}
        )
    return {
        "acts": acts,
        "log_first": opened.href("log", log=None) if opened.request.GET.get("log") else "",
        "log_next": opened.href("log", log=page.next_cursor) if page and page.next_cursor else "",
    }


PARTS: Mapping[str, tuple[str, Part]] = {
    "ledger": ("console/member_ledger.html", entries_part),
    "orders": ("console/member_orders.html", orders_part),
    "tiers": ("console/member_tiers.html", tiers_part),
    "log": ("console/member_log.html", log_part),
}


def _page(opened: Opened, read: Callable[[str | None], Any], key: str) -> Any:
    """A page of a list; the first one, and a word about it, when its link is damaged."""
    cursor = opened.request.GET.get(key) or None
    try:
        return read(cursor)
    except InvalidInput as error:
        opened.problems.append(str(error))
        return read(None)


def _rank(opened: Opened, code: str) -> int:
    return min(opened.in_force.programme.tiers.level(code).rank, 4) if opened.in_force else 0


def _refund_address(opened: Opened, order: Mapping[str, Any]) -> str:
    """Where this person can refund the order; "" when they may not, or when nothing of it is left."""
    if order["status"] != OrderStatus.COMMITTED or not opened.staff.may(Permission.CHECKOUT_REFUND):
        return ""
    try:
        return reverse("console:refund", args=[order["id"]])
    except NoReverseMatch:
        return ""
