"""The demo: totals to the cent by an independent count, honest amounts, invented people that are always the same."""

from __future__ import annotations

import stat
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from shuke.checkout.models import Order, OrderLine
from shuke.config.demo.load import DemoOptions, DemoProblem, is_loaded, load_demo
from shuke.config.demo.people import make_people
from shuke.config.demo.places import category_path, product_name, store_places
from shuke.config.demo.source import LAST_DAY, data_directory, prepare, shift_to
from shuke.core.models import ApiKey, Staff
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.ledger.queries import reconcile
from shuke.members.identifiers import normalise_phone
from shuke.members.models import Member
from shuke.members.queries import find_member, open_profiles
from tests.factories.members import make_member

ORDERS = 300


def load(tmp_path: Path, **options: object) -> list[str]:
    said: list[str] = []
    load_demo(
        home=tmp_path,
        secrets_dir=tmp_path / "secrets",
        options=DemoOptions(orders=ORDERS, **options),  # type: ignore[arg-type]
        clock=now,
        say=said.append,
        progress=lambda work: None,
    )
    return said


def independently(sql: str) -> list[tuple[object, ...]]:
    """A query over the first orders of the source, in exact decimals instead of rounded floats."""
    with duckdb.connect() as db:
        db.execute(f"CREATE VIEW t AS FROM '{data_directory()}/transactions.parquet'")
        db.execute(
            f"CREATE VIEW f AS SELECT * FROM t SEMI JOIN (SELECT basket_id, min(transaction_timestamp) AS m FROM t"
            f" GROUP BY 1 ORDER BY m, 1 LIMIT {ORDERS}) USING (basket_id)"
        )
        return db.execute(sql).fetchall()


@pytest.mark.django_db
def test_a_part_of_the_demo_equals_the_source_to_the_cent(tmp_path: Path) -> None:
    said = load(tmp_path)
    assert is_loaded()
    expected = independently(
        "SELECT basket_id::VARCHAR, (sum(sales_value::DECIMAL(12, 2)) * 100)::BIGINT, count(*),"
        " (sum(retail_disc::DECIMAL(12, 2) + coupon_match_disc::DECIMAL(12, 2)) * 100)::BIGINT,"
        " (sum(coupon_disc::DECIMAL(12, 2)) * 100)::BIGINT FROM f GROUP BY 1 ORDER BY 1"
    )
    found = []
    for order in Order.objects.filter(system="completejourney").order_by("number"):
        tenders = (order.facts or {}).get("tenders", [])
        lines = OrderLine.objects.filter(order=order).count()
        found.append(
            (order.number, order.sales_minor, lines, order.discount_minor, sum(t["minor"] for t in tenders))
        )
    assert found == sorted(expected)
    assert (
        OrderLine.objects.filter(quantity=0).count()
        == independently("SELECT count(*) FROM f WHERE quantity = 0")[0][0]
    )
    assert reconcile().is_clean

    households = independently("SELECT DISTINCT household_id::VARCHAR FROM f ORDER BY 1")
    assert (
        Member.objects.filter(tags__contains=["generated"]).count()
        == Member.objects.count()
        == len(households)
    )
    last = Order.objects.latest("occurred_at").occurred_at.astimezone(ZoneInfo("Asia/Shanghai"))
    source = independently(
        "SELECT max(timezone('America/New_York', timezone('UTC', transaction_timestamp))) FROM f"
    )[0][0]
    assert (last.replace(tzinfo=None) - source) % timedelta(days=1) == timedelta(0)  # type: ignore[operator]
    assert any("Dates are shifted by" in line for line in said)

    for member in Member.objects.all()[:50]:
        assert member.joined_at < Order.objects.filter(member=member).earliest("occurred_at").occurred_at

    assert set(Staff.objects.values_list("role", flat=True)) == set(Role.values)
    assert len(Staff.objects.get(role=Role.STORE_MANAGER).store_ids) == 2
    assert len(Staff.objects.get(role=Role.CASHIER).store_ids) == 1
    assert ApiKey.objects.count() == 1
    kept = tmp_path / "secrets" / "demo-accounts.txt"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    password = next(line.split()[1] for line in said if line.startswith("owner "))
    assert password in kept.read_text()
    assert Staff.objects.get(username="owner").check_password(password)


@pytest.mark.django_db
def test_without_shift_the_year_stays_and_a_second_start_keeps_what_was_chosen(tmp_path: Path) -> None:
    load(tmp_path, shifted=False)
    first = Order.objects.earliest("occurred_at").occurred_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert first.isoformat() == "2017-01-01T06:53:26+08:00"
    before = Order.objects.count()
    said = load(tmp_path)
    assert Order.objects.count() == before
    assert not any(line.startswith("owner ") for line in said)
    member = find_member("external", "900", "completejourney")
    profile = open_profiles([member.id])[member.id]
    assert profile.name
    assert profile.birthday is not None


@pytest.mark.django_db
def test_other_members_are_left_alone(tmp_path: Path) -> None:
    make_member()
    with pytest.raises(DemoProblem, match="already holds"):
        load(tmp_path)
    assert Member.objects.count() == 1


def test_the_whole_source_is_the_one_we_know(tmp_path: Path) -> None:
    totals = prepare(tmp_path, shift=timedelta(0))
    assert str(totals) == "sales 4,596,039.58 · 155,848 orders · 1,469,307 lines · 2,469 members"
    with duckdb.connect() as db:
        facts = db.execute(
            f"SELECT sum(json_array_length(facts, '$.coupon_redemptions')) FROM (SELECT DISTINCT number, facts FROM"
            f" '{tmp_path}/orders.parquet' WHERE facts IS NOT NULL)"
        ).fetchone()
        assert facts == (2102,), "every redemption has found its basket"
        sold = db.execute(
            f"SELECT count(*), count(DISTINCT sku) FROM '{tmp_path}/products.parquet'"
        ).fetchone()
        assert sold == (92331 + 17, 92331 + 17)
        assert db.execute(f"SELECT count(DISTINCT name) FROM '{tmp_path}/stores.parquet'").fetchone() == (
            457,
        )
        # What a shop keeps is its own clock: the last basket is of the last evening of the year.
        last = db.execute(f"SELECT max(occurred_at)::DATE FROM '{tmp_path}/orders.parquet'").fetchone()
        assert last == (LAST_DAY,)


def test_people_are_always_the_same_and_have_phones_that_are_valid_and_unique() -> None:
    ages = {number: "65+" if number % 2 else None for number in range(3000)}
    people = make_people(ages, date(2026, 11, 15))
    assert people == make_people(ages, date(2026, 11, 15))
    assert len({normalise_phone(person.phone) for person in people.values()}) == 3000
    assert len({person.name for person in people.values()}) > 2000
    assert all(2 <= len(person.name) <= 4 for person in people.values())
    assert {person.gender for person in people.values()} == {"female", "male"}
    assert all(person.birthday.year <= 1962 for number, person in people.items() if number % 2)


def test_the_shift_ends_the_year_yesterday() -> None:
    assert date(2017, 12, 31) == LAST_DAY
    assert LAST_DAY + shift_to(date(2026, 11, 21)) == date(2026, 11, 21)


def test_names_are_readable_and_paths_have_three_levels() -> None:
    assert product_name("ICE - CRUSHED/CUBED", "FRZN ICE", "GROCERY", "22 LB") == "Ice - Crushed/Cubed, 22 lb"
    assert product_name(None, "FRZN ICE", "GROCERY", None) == "Frozen Ice"
    assert category_path("GROCERY", "COOKIES/CONES", None) == "GROCERY/COOKIES & CONES"
    assert len(set(store_places(range(457)).values())) == 457
    assert store_places([5, 3]) == store_places([3, 5])
