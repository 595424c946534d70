"""The members list, where the search of the top bar lands, too; and registering a new member.

The whole choice is in the address; htmx only saves loading the frame. Who may list whom is told in `member_access`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from shuke.analytics.logic import RECENCY_LIMITS, Cell
from shuke.analytics.models import MemberSummary
from shuke.analytics.queries import freshness, member_ids_in_rfm
from shuke.analytics.zone import reporting_currency, reporting_zone
from shuke.catalog.models import Store
from shuke.catalog.queries import list_channels
from shuke.console import formats, scope
from shuke.console.access import requires, staff_of
from shuke.console.member_access import remember_found
from shuke.console.member_forms import RegisterForm, refuse, split_tags
from shuke.console.member_words import GENERATED, SAMPLE, STATUS_KINDS, attribute_label, tag_of, tag_word
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.models import Account
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.tiers import Tiers
from shuke.loyalty.words import tier_name
from shuke.members.models import AttributeDefinition, AttributeKind, Member, MemberStatus
from shuke.members.operations import register_member
from shuke.members.qr import looks_like_qr
from shuke.members.queries import count_members, list_attribute_definitions, list_members, tags_in_use
from shuke.members.queries.matching import clean_query, members_by_identifier
from shuke.members.queries.reading import candidates
from shuke.members.values import Candidate, MemberFilters, MemberPage

ROWS = 25
ATTRIBUTE = "attr_"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for, as far as it can be used; `problems` tells the rest."""

    text: str = ""
    status: str = ""
    tier: str = ""
    tag: str = ""
    codes: Sequence[str] = ()
    regions: Sequence[str] = ()
    first: date | None = None
    last: date | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    cell: Cell | None = None
    cursor: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def query(self) -> dict[str, Any]:
        """The choice as an address keeps it, without the place in the list."""
        return {
            "q": self.text,
            "status": self.status,
            "tier": self.tier,
            "tag": self.tag,
            "store": list(self.codes),
            "region": list(self.regions),
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
            "rfm": self.cell.code if self.cell else "",
            **{ATTRIBUTE + code: value for code, value in self.attributes.items()},
        }

    @property
    def is_narrowed(self) -> bool:
        """True when anything is filtered by."""
        return any(self.query.values())

    @property
    def more(self) -> int:
        """How many of the filters of the menu are in use."""
        return len(self.attributes) + bool(self.first or self.last) + bool(self.codes or self.regions)

    def href(self, **changes: Any) -> str:
        """The address of this choice with some parts changed; "" drops a part."""
        address = QueryDict(mutable=True)
        for key, value in {**self.query, **changes}.items():
            values = value if isinstance(value, list) else [value]
            if kept := [str(each) for each in values if each]:
                address.setlist(key, kept)
        return f"?{address.urlencode()}"


@dataclass(frozen=True, slots=True)
class Row:
    """A member with the figures of the list. `last_visit` and `spend_minor` are as of the last refresh of the reports."""

    member: Candidate
    tier: str
    rank: int
    points: int
    spend_minor: int | None
    last_visit: datetime | None
    status_kind: str
    status: str


@requires(Permission.MEMBERS_VIEW)
@never_cache
def members(request: HttpRequest) -> HttpResponse:
    """The list; only its changing part when htmx asks for that."""
    now = clock.now()
    staff = staff_of(request)
    stores = scope.stores_of(staff)
    definitions = [each for each in list_attribute_definitions() if not each.is_personal]
    in_force = programme_at(now)
    tiers = in_force.programme.tiers if in_force else None
    document = version_by_id(in_force.version_id).document if in_force else None
    name: Callable[[str], str] = partial(tier_name, document) if document else str
    choice = read_choice(request.GET, stores, definitions, tiers)
    page, count = _find(request, choice, stores, tiers, reporting_zone(now))
    fixed = scope.chosen_store(request)
    own = None if staff.all_stores else frozenset(store.id for store in stores)
    answer = render(
        request,
        "console/members_body.html"
        if request.headers.get("HX-Target") == "members"
        else "console/members.html",
        {
            "choice": choice,
            "rows": _rows(page.rows, tiers, name),
            "count": count,
            "next_page": choice.href(cursor=page.next_cursor) if page.next_cursor else "",
            "first_page": choice.href() if choice.cursor else "",
            "currency": reporting_currency(now),
            "statuses": [("", _("Any status")), *MemberStatus.choices],
            "tag": tag_word(choice.tag),
            "tags": [tag_word(tag) for tag in tags_in_use(own)],
            "tiers": [
                ("", _("Any tier")),
                *((level.code, name(level.code)) for level in (tiers.levels if tiers else ())),
            ],
            "attribute_filters": [_attribute_filter(each, choice) for each in definitions],
            "filter_stores": [] if fixed else [(store, store.code in choice.codes) for store in stores],
            "fixed_store": fixed,
            "cell_label": _cell_label(choice.cell),
            "may_write": staff.may(Permission.MEMBERS_WRITE),
            "sees_all": staff.all_stores,
            "generated": GENERATED,
            "sample": SAMPLE,
        },
    )
    patch_vary_headers(answer, ["HX-Target"])
    return answer


def read_choice(
    asked: QueryDict,
    stores: Sequence[Store],
    definitions: Iterable[AttributeDefinition],
    tiers: Tiers | None,
) -> Choice:
    """The choice in an address; whatever cannot be used is left out and said in `problems`."""
    problems = list[str]()
    status, tier, rfm = asked.get("status", ""), asked.get("tier", ""), asked.get("rfm", "")
    if status and status not in MemberStatus.values:
        problems.append(_("There is no such status, so members of any status are shown."))
        status = ""
    if tier and (tiers is None or tier not in tiers.by_code):
        problems.append(_("There is no such tier, so members of any tier are shown."))
        tier = ""
    cell = Cell.parse(rfm) if rfm else None
    if rfm and cell is None:
        problems.append(_("There is no such field in the value grid."))
    codes = sorted({store.code for store in stores} & set(asked.getlist("store")))
    regions = sorted({store.region for store in stores if store.region} & set(asked.getlist("region")))
    if len(codes) + len(regions) < len(set(asked.getlist("store") + asked.getlist("region")) - {""}):
        problems.append(_("Stores that are not among yours were left out."))
    return Choice(
        text=asked.get("q", "").strip(),
        status=status,
        tier=tier,
        tag=tag_of(asked.get("tag", "").strip()),
        codes=codes,
        regions=regions,
        first=_day(asked.get("from", ""), problems),
        last=_day(asked.get("to", ""), problems),
        attributes={
            each.code: value
            for each in definitions
            if (value := asked.get(ATTRIBUTE + each.code, "").strip())
        },
        cell=cell,
        cursor=asked.get("cursor", ""),
        problems=problems,
    )


def _day(text: str, problems: list[str]) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = None
    if text and (day is None or not 1900 < day.year < 9000):
        problems.append(_("A date could not be read and was left out."))
        return None
    return day


def _find(
    request: HttpRequest, choice: Choice, stores: Sequence[Store], tiers: Tiers | None, zone: ZoneInfo
) -> tuple[MemberPage, str]:
    """(the page of members, how many there are in words). What cannot be looked for is told in `choice.problems`."""
    nobody = MemberPage([], None)
    if looks_like_qr(choice.text):
        choice.problems.append(_("This is the code of a member's phone. Scan it at the cashier's desk."))
        return nobody, ""
    listed = _listed_stores(request, choice, stores)
    try:
        if choice.cell:
            return _find_in_cell(choice, choice.cell, listed), ""
        exact = members_by_identifier(clean_query(choice.text)) if choice.text else {}
        if exact:
            remember_found(request, exact)
            listed = None
        filters = MemberFilters(
            text=choice.text,
            status=choice.status,
            tag=choice.tag,
            store_ids=listed,
            joined_from=clock.start_of_day(choice.first, zone) if choice.first else None,
            joined_before=clock.end_of_day(choice.last, zone) if choice.last else None,
            attributes=choice.attributes,
            also=_in_tier(choice.tier, tiers) if choice.tier and tiers else None,
        )
        page = list_members(filters, choice.cursor or None, limit=ROWS)
        found = count_members(filters)
    except InvalidInput as error:
        choice.problems.append(str(error))
        return nobody, ""
    number = formats.number(found.value) + ("" if found.is_exact else "+")
    return page, ngettext("%(number)s member", "%(number)s members", found.value) % {"number": number}


def _find_in_cell(choice: Choice, cell: Cell, listed: frozenset[UUID] | None) -> MemberPage:
    found = member_ids_in_rfm(
        cell, stores=None if listed is None else list(listed), cursor=choice.cursor or None, limit=ROWS
    )
    by_id = {row.member_id: row for row in candidates(Member.objects.filter(id__in=found.ids))}
    return MemberPage([by_id[each] for each in found.ids if each in by_id], found.next_cursor)


def _listed_stores(request: HttpRequest, choice: Choice, stores: Sequence[Store]) -> frozenset[UUID] | None:
    """The stores of joining to list; None for all, which also lists who joined at none."""
    fixed = scope.chosen_store(request)
    if fixed:
        return frozenset({fixed.id})
    if choice.codes or choice.regions:
        return frozenset(
            store.id for store in stores if store.code in choice.codes or store.region in choice.regions
        )
    return None if staff_of(request).all_stores else frozenset(store.id for store in stores)


def _in_tier(code: str, tiers: Tiers) -> Callable[[str], Q]:
    """Members who hold a tier; those who never moved hold the lowest and have no row that says so."""

    def condition(path: str) -> Q:
        held = Q((f"{path}standing__tier", code))
        return held | Q((f"{path}standing__isnull", True)) if code == tiers.levels[0].code else held

    return condition


def _rows(found: Sequence[Candidate], tiers: Tiers | None, name: Callable[[str], str]) -> list[Row]:
    """The members with their figures: three queries, however many."""
    ids = [member.member_id for member in found]
    held = dict(Standing.objects.filter(member_id__in=ids).values_list("member_id", "tier"))
    points = dict(
        Account.objects.filter(member_id__in=ids, asset="points").values_list("member_id", "balance")
    )
    summaries = {
        member_id: (spend, last)
        for member_id, spend, last in MemberSummary.objects.filter(member_id__in=ids).values_list(
            "member_id", "spend_year_minor", "last_order_at"
        )
    }
    statuses = dict(MemberStatus.choices)
    rows = []
    for member in found:
        code = held.get(member.member_id) or (tiers.levels[0].code if tiers else "")
        spend, last = summaries.get(member.member_id, (None, None))
        rows.append(
            Row(
                member=member,
                tier=name(code) if code else "",
                rank=min(tiers.level(code).rank, 4) if tiers else 0,
                points=points.get(member.member_id, 0),
                spend_minor=spend,
                last_visit=last,
                status_kind=STATUS_KINDS[MemberStatus(member.status)],
                status=str(statuses[member.status]) if member.status != MemberStatus.ACTIVE else "",
            )
        )
    return rows


def _attribute_filter(definition: AttributeDefinition, choice: Choice) -> dict[str, Any]:
    options: list[tuple[str, str]] = []
    if definition.kind == AttributeKind.CHOICE:
        options = [("", _("Any")), *((each, each) for each in definition.choices)]
    elif definition.kind == AttributeKind.BOOLEAN:
        options = [("", _("Any")), ("true", _("Yes")), ("false", _("No"))]
    return {
        "name": ATTRIBUTE + definition.code,
        "label": attribute_label(definition, definition.code),
        "options": options,
        "value": choice.attributes.get(definition.code, ""),
        "type": "date" if definition.kind == AttributeKind.DATE else "text",
    }


def _cell_label(cell: Cell | None) -> str:
    """The field of the value grid in words; "" for one that the grid does not have."""
    starts = freshness().frequency_starts if cell else ()
    if cell is None or not (cell.recency < len(RECENCY_LIMITS) and cell.frequency < len(starts)):
        return ""
    newest = RECENCY_LIMITS[cell.recency - 1] + 1 if cell.recency else 0
    last = RECENCY_LIMITS[cell.recency]
    days = f"{newest}–{last}" if cell.recency < len(RECENCY_LIMITS) - 1 else f"{newest}+"
    fewest = starts[cell.frequency]
    if cell.frequency + 1 == len(starts):
        orders = f"{fewest}+"
    else:
        most = starts[cell.frequency + 1] - 1
        orders = str(fewest) if most == fewest else f"{fewest}–{most}"
    return _("Last order %(days)s days ago, %(orders)s orders a year") % {"days": days, "orders": orders}


@requires(Permission.MEMBERS_WRITE)
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    """Register a member; then their file opens."""
    staff, now = staff_of(request), clock.now()
    actor, stores = staff.as_actor(), [store for store in scope.stores_of(staff) if store.is_open]
    fixed = scope.chosen_store(request) or (stores[0] if len(stores) == 1 else None)
    form = RegisterForm(
        request.POST if request.method == "POST" else None,
        stores=stores,
        channels=list_channels(),
        may_skip_store=staff.all_stores,
        definitions=list_attribute_definitions(),
        initial={"store": str(fixed.id) if fixed else ""},
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            member = register_member(
                actor=actor,
                now=now,
                profile=form.to_profile(),
                join_store_id=UUID(data["store"]) if data["store"] else None,
                join_channel=data["channel"] or None,
                join_staff_id=staff.id,
                tags=split_tags(data["tags"]),
                attributes={code: value for code, value in form.typed_attributes().items() if value},
                cards=[data["card"]] if data["card"] else [],
            )
        except ShukeError as error:
            refuse(form, error)
        else:
            messages.success(request, _("The member was registered."))
            return HttpResponseRedirect(reverse("console:member", args=[member.id]))
    return render(request, "console/member_new.html", {"form": form}, status=422 if form.errors else 200)
