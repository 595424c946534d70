"""The demo: totals to the cent by an independent count, honest amounts, invented people that are always the same."""

from __future__ import annotations

import stat
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import GiftCard, Order, OrderLine, Refund, TopUp
from shuke.checkout.tiers import replay_tiers
from shuke.config.demo import sample as sample_days
from shuke.config.demo.load import SYSTEM, ZONE, DemoOptions, DemoProblem, is_loaded, load_demo
from shuke.config.demo.people import make_people
from shuke.config.demo.places import category_path, product_name, store_places
from shuke.config.demo.sample_acts import DAYS, Act
from shuke.config.demo.source import LAST_DAY, data_directory, prepare, shift_to
from shuke.core.models import ApiKey, AuditEvent, Staff
from shuke.core.queries import verify_audit
from shuke.core.values import Role
from shuke.kit.clock import now
from shuke.ledger.models import Adjustment, Gift, Hold
from shuke.ledger.queries import reconcile
from shuke.loyalty.document import validate
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.plans.models import PlanHolding
from shuke.loyalty.plans.queries import verify_plans
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.queries import programme_at
from shuke.members.identifiers import normalise_phone
from shuke.members.models import Member
from shuke.members.queries import find_member, open_profiles
from shuke.rewards.catalogue.invariants import verify_catalogue
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import CodeJob, Coupon
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
    assert verify_orders()[1] == []
    assert verify_audit().ok
    assert not verify_coupons()[1] and not verify_plans(now=now()) and not verify_catalogue()

    households = independently("SELECT DISTINCT household_id::VARCHAR FROM f ORDER BY 1")
    assert (
        Member.objects.filter(tags__contains=["generated"]).count()
        == Member.objects.count()
        == len(households)
    )
    last = (
        Order.objects.filter(system=SYSTEM)
        .latest("occurred_at")
        .occurred_at.astimezone(ZoneInfo("Asia/Shanghai"))
    )
    source = independently(
        "SELECT max(timezone('America/New_York', timezone('UTC', transaction_timestamp))) FROM f"
    )[0][0]
    assert (last.replace(tzinfo=None) - source) % timedelta(days=1) == timedelta(0)  # type: ignore[operator]
    assert any("Dates are shifted by" in line for line in said)

    # The sample days have something for every page, end today and are never taken for the data set's.
    today = now().astimezone(ZONE).date()
    sample = Order.objects.filter(system="sample")
    assert sample.latest("occurred_at").occurred_at.astimezone(ZONE).date() == today
    assert sample.earliest("occurred_at").occurred_at.astimezone(ZONE).date() == today - timedelta(days=9)
    in_force = programme_at(sample.earliest("occurred_at").occurred_at)
    assert in_force is not None and in_force.number == 2 and ProgrammeVersion.objects.count() == 2
    assert set(sample.values_list("member_id", flat=True)) <= set(
        Member.objects.filter(tags__contains=["sample"]).values_list("id", flat=True)
    )
    assert sample.filter(points_used__gt=0).exists()
    assert Coupon.objects.filter(state="used").exists() and CodeJob.objects.get().status == "done"
    assert TopUp.objects.exists() and GiftCard.objects.filter(status="active").exists()
    assert GiftCard.objects.filter(status="blocked").exists() and PlanHolding.objects.exists()
    assert {"placed", "ready", "done", "lapsed"} <= set(Redemption.objects.values_list("status", flat=True))
    assert Adjustment.objects.filter(status="requested").exists() and Gift.objects.exists()
    assert Hold.objects.exists() and Refund.objects.filter(kind="exchange").exists()
    told = next(line for line in said if line.startswith("Sample data of 10 days"))
    assert f"sales {sample.count() - 1}," in told, "the one more is what an exchange gave out"

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
def test_without_shift_the_year_stays_and_a_second_start_goes_on_where_the_first_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(act: Act) -> None:
        DAYS[4](act)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sample_days, "DAYS", (*DAYS[:4], killed, *DAYS[5:]))
        load(tmp_path, shifted=False)
    played = AuditEvent.objects.filter(action=sample_days.PLAYED)
    assert [each.object_id for each in played.order_by("id")] == ["0", "1", "2", "3"]
    sample = Order.objects.filter(system="sample").order_by("id")
    before = list(sample.values_list("id", flat=True))
    imported = Order.objects.filter(system=SYSTEM).count()

    said = load(tmp_path)
    assert is_loaded()
    assert not any(line.startswith("owner ") for line in said)
    first = Order.objects.earliest("occurred_at").occurred_at.astimezone(ZONE)
    assert first.isoformat() == "2017-01-01T06:53:26+08:00"
    assert Order.objects.filter(system=SYSTEM).count() == imported
    assert list(sample.values_list("id", flat=True))[: len(before)] == before
    days = [each.astimezone(ZONE).date() for each in sample.values_list("occurred_at", flat=True)]
    assert (days[0], days[-1]) == (date(2017, 12, 23), date(2018, 1, 1)), "after the year, not after today"
    assert played.count() == 10
    assert reconcile().is_clean and not replay_tiers().differences and not verify_orders()[1]
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


def test_the_second_version_earns_and_ranks_as_the_first() -> None:
    """The year before it and the days after it compare, and neither keeps history from being imported."""
    first, second = (
        validate(files("shuke.config.demo").joinpath(name).read_bytes())
        for name in ("programme.yaml", "programme-offers.yaml")
    )
    for section in ("earning", "multipliers", "redemption"):
        assert first[section] == second[section]
    assert first["tiers"]["levels"] == [
        {key: value for key, value in level.items() if key != "benefits"}
        for level in second["tiers"]["levels"]
    ]
    for offer in (
        *second["coupons"],
        *second["rewards"],
        *second["plans"],
        *second["stored_value"]["bonuses"],
    ):
        assert set(offer["name"]) == {"zh-Hans", "zh-Hant", "en"}
    assert all("示例" in coupon["name"]["zh-Hans"] for coupon in second["coupons"])
    needs = compile_programme(second).needs
    assert not needs.budgets  # or the year would have to be imported in one lane
    assert not needs.tenders
