"""Plan an import of orders: check every row and order set-based, and put the good ones into the order of writing.

The plan is a DuckDB file with ids and figures only. Its orders are sorted by member, so that a batch touches few books and
each of them once, and by time within a member. Lanes split the members among worker processes; chunks cut each lane
into batches of about CHUNK_LINES lines. What is in which chunk never changes once the plan is ready: that makes a run
resumable.

Where a programme of the time has budgets, it matters who bought first among all members: then there is one lane, in the
order of time.
"""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shuke.integrations.fields import INSIDE_TENDERS, MEMBER_REFERENCES
from shuke.integrations.files import Source, open_source
from shuke.integrations.mapping import Mapping, complete
from shuke.integrations.parsing import Column, parse
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
from shuke.loyalty.queries import TimeInForce, times_in_force

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK_LINES = 15_000
BUDGET_CHUNK_LINES = 3_000
"""While a chunk draws on a budget, tills that draw on the same one wait for it."""
LANE_LINES = 20_000
"""For fewer lines than this a process of its own takes longer to start than it saves."""
MAX_LINES = 5_000
DEFAULT_SYSTEM = "import"
DEFAULT_CHANNEL = "pos"


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """How large the plan is. `refused` counts orders. `by_time`: one lane in the order of time, and not by member."""

    rows: int
    orders: int
    lines: int
    refused: int
    lanes: int
    by_time: bool


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
        in_force = times_in_force()
        _orders(db, _tender_kinds(columns))
        _check_times(db, in_force, tells_tenders=any(name.startswith("tender") for name in columns))
        _refuse(db)
        by_time = _draws_on_budgets(db, in_force)
        lanes = 1 if by_time else max(min(lanes, source.rows // LANE_LINES), 1)
        _write(db, columns, lanes, by_time=by_time)
        error_values(db, source, mapping, list(columns.values()))
        facts = _facts(db, source, lanes, by_time)
        db.execute(
            "CREATE TABLE plan.facts"
            " (rows BIGINT, orders BIGINT, lines BIGINT, refused BIGINT, lanes INTEGER, by_time BOOLEAN)"
        )
        db.execute(
            "INSERT INTO plan.facts VALUES (?, ?, ?, ?, ?, ?)",
            [facts.rows, facts.orders, facts.lines, facts.refused, facts.lanes, facts.by_time],
        )
        db.execute("DETACH plan")
        (directory / READY).touch()
    return facts


def read_facts(db: Db) -> PlanFacts:
    """The facts of a plan that is open."""
    row = db.execute("SELECT rows, orders, lines, refused, lanes, by_time FROM facts").fetchone()
    assert row is not None
    return PlanFacts(*row)


def discount_codes(columns: dict[str, Column]) -> list[str]:
    """The codes of the discounts, in the order of the mapping."""
    return [name.partition(":")[2] for name in columns if name.startswith("discount:")]


def _tender_kinds(columns: dict[str, Column]) -> list[str]:
    """The kinds whose amounts the file gives and that can be imported, in the order of the mapping."""
    kinds = [name.partition(":")[2] for name in columns if name.startswith("tender:")]
    return [kind for kind in kinds if kind not in INSIDE_TENDERS]


def _amounts(db: Db, columns: dict[str, Column], mapping: Mapping) -> None:
    """The table `items`: one row per line with list_minor and the discounts d0, d1, …, all in minor units."""

    def value(name: str, otherwise: str = "NULL") -> str:
        return columns[name].value if name in columns else otherwise

    discounts = [f"coalesce({columns[name].value}, 0)" for name in columns if name.startswith("discount:")]
    given = " + ".join(discounts) or "0"
    paid = "".join(
        f" {columns[f'tender:{kind}'].value} AS t{i}," for i, kind in enumerate(_tender_kinds(columns))
    )
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
        f" {value('tender', 'NULL::VARCHAR')} AS tender,{paid}"
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


def _orders(db: Db, tender_kinds: list[str]) -> None:
    """The table `heads`: one row per order, with what its rows disagree about. `tenders` is a list, or null when unsaid."""
    amounts = [(f"t{i}", kind) for i, kind in enumerate(tender_kinds)]
    by_amount = ", ".join(f"struct_pack(kind := '{kind}', amount := min({t}))" for t, kind in amounts)
    disagree = "".join(f" WHEN min({t}) <> max({t}) THEN 'tender:{kind}'" for t, kind in amounts)
    tenders = (
        f"list_filter([{by_amount}], lambda each: each.amount IS NOT NULL)"
        if amounts
        else "CASE WHEN min(tender) IS NOT NULL THEN [struct_pack(kind := min(tender), amount := NULL::BIGINT)] END"
    )
    db.execute(
        "CREATE TABLE heads AS SELECT system, number, min(row) AS first_row, count(*) AS lines, min(moment) AS moment,"
        " min(store) AS store, min(channel) AS channel, min(m.id) AS member_id, min(facts) AS facts,"
        " sum(list_minor) AS total, CASE WHEN min(moment) <> max(moment) THEN 'occurred_at'"
        " WHEN min(store) <> max(store) THEN 'store' WHEN min(channel) <> max(channel) THEN 'channel'"
        " WHEN min(m.id) <> max(m.id) THEN 'member' WHEN min(facts) <> max(facts) THEN 'facts'"
        f" WHEN min(tender) <> max(tender) THEN 'tender'{disagree} END AS conflict, {tenders} AS tenders"
        " FROM items i LEFT JOIN member_refs m ON m.ref = i.member WHERE number IS NOT NULL GROUP BY system, number"
    )
    db.execute(
        "INSERT INTO errors SELECT i.row, CASE WHEN h.conflict = 'member' THEN 'number' ELSE h.conflict END,"
        " 'order_conflict' FROM heads h JOIN items i USING (system, number) WHERE h.conflict IS NOT NULL"
        f" UNION ALL SELECT first_row, 'number', 'order_too_long' FROM heads WHERE lines > {MAX_LINES}"
        f" UNION ALL SELECT first_row, 'list_amount', 'amount_too_large' FROM heads WHERE total > {MAX_MINOR}"
    )


def _check_times(db: Db, times: list[TimeInForce], *, tells_tenders: bool) -> None:
    """Every order needs a programme of its time, and one that tells what that programme's rules look at."""
    before = f"moment < {_micros(times[0].start)}" if times else "true"
    db.execute(
        f"INSERT INTO errors SELECT first_row, 'occurred_at', 'before_programme' FROM heads WHERE {before}"
    )
    asked = [time for time in times if time.programme.needs.tenders]
    if asked and not tells_tenders:
        db.execute(
            "INSERT INTO errors SELECT first_row, 'occurred_at', 'programme_asks_tenders' FROM heads"
            f" WHERE {_earned_in(asked)}"
        )


def _draws_on_budgets(db: Db, times: list[TimeInForce]) -> bool:
    """True when an order to be imported was sold under a programme whose rules draw on budgets."""
    budgeted = [time for time in times if time.programme.needs.budgets]
    if not budgeted:
        return False
    found = db.execute(
        f"SELECT 1 FROM heads ANTI JOIN bad_orders USING (system, number) WHERE {_earned_in(budgeted)} LIMIT 1"
    )
    return found.fetchone() is not None


def _earned_in(times: list[TimeInForce]) -> str:
    """The condition that an order fell into one of these times, and earned: without a member no rule matters to it."""
    spans = (
        f"moment >= {_micros(time.start)}" + (f" AND moment < {_micros(time.end)}" if time.end else "")
        for time in times
    )
    return f"member_id IS NOT NULL AND ({' OR '.join(f'({span})' for span in spans)})"


def _micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


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


def _write(db: Db, columns: dict[str, Column], lanes: int, *, by_time: bool) -> None:
    """plan.orders and plan.lines. A sequence number leads both, in the order of writing."""
    chunk = min(CHUNK_LINES, BUDGET_CHUNK_LINES) if by_time else CHUNK_LINES
    order = "moment, first_row" if by_time else "lane, midx, moment, number"
    db.execute(
        f"CREATE TABLE sorted AS SELECT row_number() OVER (ORDER BY {order}) AS seq, * FROM"
        " (SELECT h.system, h.number, h.first_row, h.lines, h.moment, h.channel, h.facts, h.tenders, s.idx AS store,"
        " m.idx AS midx,"
        f" coalesce(m.idx, hash(h.number) % {lanes}) % {lanes} AS lane"
        " FROM heads h ANTI JOIN bad_orders b ON b.system = h.system AND b.number = h.number"
        " JOIN plan.stores s ON s.code = h.store LEFT JOIN plan.members m ON m.id = h.member_id)"
    )
    db.execute(
        "CREATE TABLE plan.orders AS SELECT seq, lane::SMALLINT AS lane,"
        f" ((sum(lines) OVER (PARTITION BY lane ORDER BY seq) - lines) // {chunk})::INTEGER AS chunk,"
        " system, number, first_row, moment, channel, facts, tenders, store, midx FROM sorted ORDER BY seq"
    )
    discounts = "".join(f", i.d{i}" for i, _ in enumerate(discount_codes(columns)))
    db.execute(
        "CREATE TABLE plan.lines AS SELECT o.seq, p.idx AS product, i.quantity, i.list_minor"
        f"{discounts} FROM items i JOIN sorted o USING (system, number) JOIN plan.products p USING (sku)"
        " ORDER BY o.seq, i.row"
    )


def _facts(db: Db, source: Source, lanes: int, by_time: bool) -> PlanFacts:
    counted = db.execute(
        "SELECT (SELECT count(*) FROM plan.orders), (SELECT count(*) FROM plan.lines), (SELECT count(*) FROM bad_orders)"
    ).fetchone()
    assert counted is not None
    orders, lines, refused = counted
    return PlanFacts(source.rows, orders, lines, refused, lanes, by_time)
