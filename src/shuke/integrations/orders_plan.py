"""Plan an import of orders: check every row and order set-based, and put the good ones into the order of writing.

The plan is a DuckDB file with ids and figures only. Its orders are sorted by member, so that a batch touches few books and
each of them once, and by time within a member. Lanes split the members among worker processes; chunks cut each lane
into batches of about CHUNK_LINES lines. What is in which chunk never changes once the plan is ready: that makes a run
resumable.
"""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import Min

from shuke.checkout.bulk_facts import import_refusal
from shuke.integrations.fields import MEMBER_REFERENCES
from shuke.integrations.files import Source, open_source
from shuke.integrations.mapping import Mapping, complete
from shuke.integrations.parsing import SECOND, Column, parse
from shuke.integrations.references import (
    Db,
    resolve_channels,
    resolve_members,
    resolve_products,
    resolve_stores,
)
from shuke.integrations.reports import collect_row_errors, error_values
from shuke.integrations.workspace import PLAN, READY, staging
from shuke.kit.money import MAX_MINOR
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import version_by_id

CHUNK_LINES = 15_000
LANE_LINES = 20_000
"""For fewer lines than this a process of its own takes longer to start than it saves."""
MAX_LINES = 5_000
DEFAULT_SYSTEM = "import"
DEFAULT_CHANNEL = "pos"


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """How large the plan is. `refused` counts orders."""

    rows: int
    orders: int
    lines: int
    refused: int
    lanes: int


def make_plan(path: Path, mapping: Mapping, directory: Path, *, lanes: int, now: datetime) -> PlanFacts:
    """Check the file and write the plan into `directory`, for up to `lanes` processes.

    Raises FileUnreadable or MappingInvalid.
    """
    with staging(directory) as db:
        db.execute(f"ATTACH '{directory / PLAN}' AS plan")
        source = open_source(db, path, mapping, directory)
        complete(mapping, source.headers)
        columns = {column.name: column for column in parse(db, source, mapping, now)}
        db.execute("CREATE TABLE errors (row BIGINT, field VARCHAR, code VARCHAR)")
        collect_row_errors(db, source, list(columns.values()))
        _amounts(db, columns, mapping)
        _resolve(db, columns, mapping)
        lanes = max(min(lanes, source.rows // LANE_LINES), 1)
        _orders(db)
        _refuse(db)
        _write(db, columns, lanes)
        error_values(db, source, mapping, list(columns.values()))
        facts = _facts(db, source, lanes)
        db.execute(
            "CREATE TABLE plan.facts (rows BIGINT, orders BIGINT, lines BIGINT, refused BIGINT, lanes INTEGER)"
        )
        db.execute(
            "INSERT INTO plan.facts VALUES (?, ?, ?, ?, ?)",
            [facts.rows, facts.orders, facts.lines, facts.refused, facts.lanes],
        )
        db.execute("DETACH plan")
        (directory / READY).touch()
    return facts


def read_facts(db: Db) -> PlanFacts:
    """The facts of a plan that is open."""
    row = db.execute("SELECT rows, orders, lines, refused, lanes FROM facts").fetchone()
    assert row is not None
    return PlanFacts(*row)


def discount_codes(columns: dict[str, Column]) -> list[str]:
    """The codes of the discounts, in the order of the mapping."""
    return [name.partition(":")[2] for name in columns if name.startswith("discount:")]


def _amounts(db: Db, columns: dict[str, Column], mapping: Mapping) -> None:
    """The table `items`: one row per line with list_minor and the discounts d0, d1, …, all in minor units."""

    def value(name: str, otherwise: str = "NULL") -> str:
        return columns[name].value if name in columns else otherwise

    discounts = [f"coalesce({columns[name].value}, 0)" for name in columns if name.startswith("discount:")]
    given = " + ".join(discounts) or "0"
    unit = value("unit_price", "NULL::BIGINT")
    # A unit price times thousandths, rounded half up; HUGEINT, because both may be large.
    by_unit = f"CAST(({unit}::HUGEINT * {value('quantity')} + 500) // 1000 AS BIGINT)"
    stated = value("list_amount", "NULL::BIGINT")
    net = value("net_amount", "NULL::BIGINT")
    reference = next((name for name in MEMBER_REFERENCES if name in columns), None)
    db.execute(
        "CREATE TABLE items AS SELECT row,"
        f" coalesce({value('system')}, '{DEFAULT_SYSTEM}') AS system, {value('number')} AS number,"
        f" {value('occurred_at')} AS moment, {value('store')} AS store,"
        f" coalesce({value('channel')}, '{DEFAULT_CHANNEL}') AS channel,"
        f" {value(reference) if reference else 'NULL::VARCHAR'} AS member, {value('sku')} AS sku,"
        f" {value('quantity')} AS quantity, {value('facts', 'NULL::VARCHAR')} AS facts,"
        f" {net} AS net, {given}::BIGINT AS given,"
        f" coalesce({stated}, {net} + {given}, {by_unit})::BIGINT AS list_minor"
        f"{''.join(f', {discount}::BIGINT AS d{i}' for i, discount in enumerate(discounts))} FROM parsed"
    )
    db.execute(
        "INSERT INTO errors SELECT row, 'list_amount', CASE WHEN list_minor IS NULL THEN 'amount_missing'"
        " WHEN given > list_minor THEN 'discount_exceeds_price'"
        f" WHEN list_minor > {MAX_MINOR} THEN 'amount_too_large'"
        " WHEN net IS NOT NULL AND list_minor - given <> net THEN 'amounts_disagree' END AS code FROM items"
        " WHERE code IS NOT NULL AND row NOT IN (SELECT row FROM errors)"
    )


def _resolve(db: Db, columns: dict[str, Column], mapping: Mapping) -> None:
    resolve_stores(db, "items", "store")
    resolve_channels(db, "items", "channel")
    resolve_products(db, "items", "sku")
    reference = next((name for name in MEMBER_REFERENCES if name in columns), "member_number")
    resolve_members(db, "items", "member", reference.removeprefix("member_"), mapping.member_system)
    for field, table, key, code in (
        ("store", "plan.stores", "code", "unknown_store"),
        ("channel", "plan.channels", "code", "unknown_channel"),
        ("sku", "plan.products", "sku", "unknown_sku"),
        (reference, "member_refs", "ref", "unknown_member"),
    ):
        column = "member" if field == reference else field
        db.execute(
            f"INSERT INTO errors SELECT row, '{field}', '{code}' FROM items i ANTI JOIN {table} t ON i.{column} = t.{key}"
            f" WHERE i.{column} IS NOT NULL AND row NOT IN (SELECT row FROM errors WHERE field = '{field}')"
        )


def _orders(db: Db) -> None:
    """The table `heads`: one row per order, with what its rows disagree about."""
    db.execute(
        "CREATE TABLE heads AS SELECT system, number, min(row) AS first_row, count(*) AS lines, min(moment) AS moment,"
        " min(store) AS store, min(channel) AS channel, min(m.id) AS member_id, min(facts) AS facts,"
        " sum(list_minor) AS total, CASE WHEN min(moment) <> max(moment) THEN 'occurred_at'"
        " WHEN min(store) <> max(store) THEN 'store' WHEN min(channel) <> max(channel) THEN 'channel'"
        " WHEN min(m.id) <> max(m.id) THEN 'member' WHEN min(facts) <> max(facts) THEN 'facts' END AS conflict"
        " FROM items i LEFT JOIN member_refs m ON m.ref = i.member WHERE number IS NOT NULL GROUP BY system, number"
    )
    earliest = ProgrammeVersion.objects.aggregate(first=Min("effective_at"))["first"]
    since = int(earliest.timestamp() * SECOND) if earliest else None
    before = "true" if since is None else f"h.moment < {since}"
    db.execute(
        "INSERT INTO errors SELECT i.row, CASE WHEN h.conflict = 'member' THEN 'number' ELSE h.conflict END,"
        " 'order_conflict' FROM heads h JOIN items i USING (system, number) WHERE h.conflict IS NOT NULL"
        f" UNION ALL SELECT first_row, 'number', 'order_too_long' FROM heads WHERE lines > {MAX_LINES}"
        f" UNION ALL SELECT first_row, 'list_amount', 'amount_too_large' FROM heads WHERE total > {MAX_MINOR}"
        f" UNION ALL SELECT first_row, 'occurred_at', 'before_programme' FROM heads h WHERE {before}"
    )
    for start, end, code in _unimportable():
        # Without a member an order earns nothing, so no rule matters to it.
        db.execute(
            f"INSERT INTO errors SELECT first_row, 'occurred_at', '{code}' FROM heads WHERE moment >= {start}"
            f"{'' if end is None else f' AND moment < {end}'} AND member_id IS NOT NULL"
        )


_REFUSALS = {"budgets": "programme_has_budgets", "tenders": "programme_asks_tenders"}


def _unimportable() -> list[tuple[int, int | None, str]]:
    """(from, until, code) for the times of programmes whose rules an import cannot follow."""
    found = []
    versions = list(
        ProgrammeVersion.objects.order_by("effective_at", "number").values_list("id", "effective_at")
    )
    ends = [*(starts for _id, starts in versions[1:]), None]
    for (version_id, starts), ends_at in zip(versions, ends, strict=True):
        refusal = import_refusal(version_by_id(version_id).programme)
        if refusal is not None:
            until = int(ends_at.timestamp() * SECOND) if ends_at else None
            found.append((int(starts.timestamp() * SECOND), until, _REFUSALS[refusal]))
    return found


def _refuse(db: Db) -> None:
    """An order is imported whole or not at all: one row with an error takes the others with it."""
    db.execute("CREATE TABLE bad_rows AS SELECT DISTINCT row FROM errors")
    db.execute(
        "CREATE TABLE bad_orders AS SELECT DISTINCT system, number FROM items JOIN bad_rows USING (row)"
        " WHERE number IS NOT NULL"
    )
    db.execute(
        "INSERT INTO errors SELECT row, 'number', 'order_refused' FROM items JOIN bad_orders USING (system, number)"
        " WHERE row NOT IN (SELECT row FROM bad_rows)"
    )


def _write(db: Db, columns: dict[str, Column], lanes: int) -> None:
    """plan.orders and plan.lines. A sequence number leads both, in the order of writing."""
    db.execute(
        "CREATE TABLE sorted AS SELECT row_number() OVER (ORDER BY lane, midx, moment, number) AS seq, * FROM"
        " (SELECT h.system, h.number, h.first_row, h.lines, h.moment, h.channel, h.facts, s.idx AS store, m.idx AS midx,"
        f" coalesce(m.idx, hash(h.number) % {lanes}) % {lanes} AS lane"
        " FROM heads h ANTI JOIN bad_orders b ON b.system = h.system AND b.number = h.number"
        " JOIN plan.stores s ON s.code = h.store LEFT JOIN plan.members m ON m.id = h.member_id)"
    )
    db.execute(
        "CREATE TABLE plan.orders AS SELECT seq, lane::SMALLINT AS lane,"
        f" ((sum(lines) OVER (PARTITION BY lane ORDER BY seq) - lines) // {CHUNK_LINES})::INTEGER AS chunk,"
        " system, number, first_row, moment, channel, facts, store, midx FROM sorted ORDER BY seq"
    )
    discounts = "".join(f", i.d{i}" for i, _ in enumerate(discount_codes(columns)))
    db.execute(
        "CREATE TABLE plan.lines AS SELECT o.seq, p.idx AS product, i.quantity, i.list_minor"
        f"{discounts} FROM items i JOIN sorted o USING (system, number) JOIN plan.products p USING (sku)"
        " ORDER BY o.seq, i.row"
    )


def _facts(db: Db, source: Source, lanes: int) -> PlanFacts:
    counted = db.execute(
        "SELECT (SELECT count(*) FROM plan.orders), (SELECT count(*) FROM plan.lines), (SELECT count(*) FROM bad_orders)"
    ).fetchone()
    assert counted is not None
    orders, lines, refused = counted
    return PlanFacts(source.rows, orders, lines, refused, lanes)
