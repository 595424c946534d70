"""Load the demo: prepare the files, import them, play the sample days, bring tiers, expiry and figures up to now, and prove
the totals.

Every step may be interrupted and is found done, or gone on with, at the next start. What was begun, with which shift, is
read back from the audit log, so that a start on another day does not move the dates of half a year.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Sum

from shuke.analytics.operations import refresh
from shuke.catalog.operations import ensure_channel
from shuke.checkout.models import Order, OrderLine
from shuke.checkout.queries import qualifying_totals
from shuke.config.demo.accounts import create_accounts
from shuke.config.demo.sample import Calendar, play_sample_days
from shuke.config.demo.source import (
    DEMOGRAPHICS,
    LAST_DAY,
    SYSTEM,
    WHOLE,
    Totals,
    demographic_choices,
    prepare,
    shift_to,
)
from shuke.core.models import AuditEvent
from shuke.core.operations import record_audit, seal_audit
from shuke.core.values import SYSTEM as SYSTEM_ACTOR
from shuke.integrations.mapping import Mapping
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, Options, Outcome, Work
from shuke.kit.clock import local_date
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from shuke.loyalty.cautions import ALL
from shuke.loyalty.models import ProgrammeVersion, Standing
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.tier_reviews import review_tiers
from shuke.members.models import Identifier, Member
from shuke.members.operations import define_attribute

ZONE = ZoneInfo("Asia/Shanghai")
_OFFERS_NOTE = "示例优惠，非数据集内容 · sample offers, not of the data set"
STARTED = "demo.started"
LOADED = "demo.loaded"
_LABELS = {
    "age_band": ("年龄段", "年齡層", "Age band"),
    "income_band": ("家庭收入", "家庭收入", "Household income"),
    "home_ownership": ("住房", "住宅", "Home ownership"),
    "marital_status": ("婚姻状况", "婚姻狀況", "Marital status"),
    "household_size": ("家庭人数", "家庭人數", "Household size"),
    "household_type": ("家庭类型", "家庭類型", "Household type"),
    "kids": ("孩子数", "孩子數", "Children"),
}
_MAPPINGS = {
    Kind.STORES: {"code": "code", "name": "name", "region": "region"},
    Kind.PRODUCTS: {name: name for name in ("sku", "name", "category", "brand", "price", "is_active")},
    Kind.MEMBERS: {
        name: name
        for name in (
            f"external:{SYSTEM}", "name", "phone", "gender", "birthday", "joined_at", "join_store", "join_channel", "tags",
            *(f"attribute:{code}" for code in DEMOGRAPHICS),
        )
    },
    Kind.ORDERS: {
        "number": "number",
        "occurred_at": "occurred_at",
        "store": "store",
        "member": "member_external",
        "sku": "sku",
        "quantity": "quantity",
        "net_amount": "net_amount",
        "retail": "discount:retail",
        "coupon_match": "discount:coupon_match",
        "facts": "facts",
    },
}  # fmt: skip

Say = Callable[[str], None]
Clock = Callable[[], datetime]


class DemoProblem(RuntimeError):
    """The demo cannot be loaded, or what was loaded is not what the source holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`orders`: only the first so many; None means all. `shifted`: dates end yesterday instead of in 2017."""

    orders: int | None = None
    shifted: bool = True
    workers: int = 1


def is_loaded() -> bool:
    """True when this database holds the demo, complete."""
    return AuditEvent.objects.filter(action=LOADED).exists()


def load_demo(
    *,
    home: Path,
    secrets_dir: Path,
    options: DemoOptions,
    clock: Clock,
    say: Say,
    progress: Callable[[Work], None],
) -> Totals:
    """Load the demo into an empty database, or finish loading it. Returns the totals that were proved.

    Raises DemoProblem when the database holds other members, or when the totals differ from the source.
    """
    began = time.monotonic()
    shift, limit = _begin(options, clock())
    directory = home / "demo"
    with _timed(say, "Files prepared"):
        totals = prepare(directory, shift=shift, orders=limit)
    if limit is None and totals != WHOLE:
        raise DemoProblem(f"The data set is not the one we know. Expected: {WHOLE}. Found: {totals}.")
    say(_about_dates(shift))
    with _timed(say, "Programme, channel and attributes"):
        _foundations(shift, clock())
    for kind in (Kind.STORES, Kind.PRODUCTS, Kind.MEMBERS, Kind.ORDERS):
        began_kind = time.monotonic()
        outcome = _import(kind, directory, options, clock, progress)
        if outcome.error_rows:
            raise DemoProblem(f"{outcome.error_rows} rows of {kind} were refused: see {outcome.errors_file}.")
        seconds = time.monotonic() - began_kind
        say(f"{outcome.rows:,} rows of {kind} imported in {seconds:.1f} s{_parts(outcome)}.")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    accounts = create_accounts(now=clock(), secrets_dir=secrets_dir)
    with _timed(say, "Sample days played"):
        diary = play_sample_days(_calendar(shift), clock=clock)
    _catch_up(clock, say)
    _prove(totals, say)
    if diary is not None:
        say(str(diary))
    for line in accounts:
        say(line)
    record_audit(
        actor=SYSTEM_ACTOR, action=LOADED, now=clock(), object_type="demo",
        data={"orders": totals.orders, "lines": totals.lines, "sales_minor": totals.sales_minor, "members": totals.members},
    )  # fmt: skip
    while seal_audit(now=clock()):
        pass
    shutil.rmtree(directory, ignore_errors=True)
    say(f"The demo was loaded in {time.monotonic() - began:.0f} s.")
    return totals


def _begin(options: DemoOptions, now: datetime) -> tuple[timedelta, int | None]:
    """The shift and the limit: those that were chosen when loading began, else those asked for now."""
    started = AuditEvent.objects.filter(action=STARTED).order_by("-id").first()
    if started is not None:
        return timedelta(days=started.data["shift_days"]), started.data["limit"]
    if Member.objects.exists() or Order.objects.exists():
        raise DemoProblem(
            "This database already holds members or orders that are not the demo's. Set another SHUKE_HOME."
        )
    yesterday = local_date(now, ZONE) - timedelta(days=1)
    shift = shift_to(yesterday) if options.shifted else timedelta(0)
    record_audit(
        actor=SYSTEM_ACTOR, action=STARTED, now=now, object_type="demo",
        data={"shift_days": shift.days, "limit": options.orders},
    )  # fmt: skip
    return shift, options.orders


def _about_dates(shift: timedelta) -> str:
    if not shift:
        return "Dates are those of the data set: the year 2017."
    return f"Dates are shifted by {shift.days} days: {LAST_DAY:%A} {LAST_DAY} becomes {LAST_DAY + shift:%A} {LAST_DAY + shift}."


def _calendar(shift: timedelta) -> Calendar:
    return Calendar.ending(LAST_DAY + shift, ZONE)


def _foundations(shift: timedelta, now: datetime) -> None:
    ensure_channel("pos", "门店收银")
    for code, values in demographic_choices().items():
        simplified, traditional, english = _LABELS[code]
        labels = {"zh-hans": simplified, "zh-hant": traditional, "en": english}
        define_attribute(actor=SYSTEM_ACTOR, now=now, code=code, kind="choice", labels=labels, choices=values)
    first = datetime(LAST_DAY.year, 1, 1, tzinfo=ZONE) + shift - timedelta(days=1)
    second = _calendar(shift).begins
    # Published as of the day before they begin: no version but the first may begin before it is published.
    for number, (name, note, begins) in enumerate(
        (("programme.yaml", "demo", first), ("programme-offers.yaml", _OFFERS_NOTE, second)), 1
    ):
        if not ProgrammeVersion.objects.filter(number=number).exists():
            publish_programme(
                actor=SYSTEM_ACTOR,
                now=begins - timedelta(days=1),
                source=files("shuke.config.demo").joinpath(name).read_text(encoding="utf-8"),
                effective_at=begins,
                note=note,
                accepted=ALL,
            )


def _import(
    kind: Kind, directory: Path, options: DemoOptions, clock: Clock, progress: Callable[[Work], None]
) -> Outcome:
    mapping = Mapping(
        kind=kind,
        columns=_MAPPINGS[kind],
        constants={"system": SYSTEM} if kind is Kind.ORDERS else {},
        money="minor",
        member_system=SYSTEM if kind is Kind.ORDERS else "",
        time_zone=ZONE.key,
        settled=True,
    )
    return run_import(
        kind=kind,
        path=directory / f"{kind}.parquet",
        mapping=mapping,
        options=Options(workers=options.workers),
        clock=clock,
        progress=progress,
    )


def _parts(outcome: Outcome) -> str:
    parts = ", ".join(f"{seconds:.1f} s {name}" for name, seconds in outcome.seconds.items())
    return f" ({parts})" if parts else ""


def _catch_up(clock: Clock, say: Say) -> None:
    """What jobs would have done meanwhile: tiers whose term ended, lots that lapsed, figures, statistics."""
    with _timed(say, "Tiers reviewed"):
        while review_tiers(now=clock(), qualifying=qualifying_totals):
            pass
    with _timed(say, "Lapsed points expired"):
        while expire_lots(now=clock()):
            pass
    with _timed(say, "Figures for the overview"):
        refresh(now=clock())


def _prove(expected: Totals, say: Say) -> None:
    """Count again in the database and compare, to the cent. Raises DemoProblem."""
    orders = Order.objects.filter(system=SYSTEM)
    sales = orders.aggregate(sum=Sum("sales_minor"))["sum"] or 0
    by_lines = OrderLine.objects.filter(order__system=SYSTEM).aggregate(sum=Sum("payable_minor"))["sum"] or 0
    found = Totals(
        sales_minor=sales,
        orders=orders.count(),
        lines=OrderLine.objects.filter(order__system=SYSTEM).count(),
        members=Identifier.objects.filter(kind="external", system=SYSTEM).count(),
    )
    say(f"Source:   {expected}")
    say(f"Database: {found}")
    if found != expected or by_lines != sales:
        raise DemoProblem("The totals differ from the source.")
    book = reconcile()
    say(
        f"Ledger: {book.transfers:,} transfers, {book.entries:,} entries, {book.lots:,} lots: "
        + _verdict(book.is_clean)
    )
    if not book.is_clean:
        raise DemoProblem("The ledger does not reconcile; run: shuke ledger reconcile")
    tiers: dict[str, int] = {}
    for tier in Standing.objects.values_list("tier", flat=True):
        tiers[tier] = tiers.get(tier, 0) + 1
    say("Tiers: " + ", ".join(f"{tier} {count:,}" for tier, count in sorted(tiers.items())))


def _verdict(is_clean: bool) -> str:
    return "everything adds up." if is_clean else "DIFFERENCES."


@contextmanager
def _timed(say: Say, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    say(f"{what} in {time.monotonic() - began:.1f} s.")
