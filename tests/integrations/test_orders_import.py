"""Orders out of files: whole or not at all, once only, through the same rules as live ones."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, OrderLine, OrderTender
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.integrations import orders_lane, orders_plan
from shuke.integrations.errors import MappingInvalid
from shuke.integrations.mapping import read_mapping
from shuke.integrations.models import ImportChunk, ImportRun
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, Options, Work
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import verify_counters
from shuke.loyalty.models import Counter
from shuke.members.models import Identifier
from tests.factories.checkout import publish
from tests.integrations.conftest import NOW

MAPPING = {
    "columns": {
        "order": "number",
        "time": "occurred_at",
        "store": "store",
        "member": "member_external",
        "sku": "sku",
        "qty": "quantity",
        "amount": "net_amount",
        "off": "discount:retail",
    },
    "constants": {"system": "old"},
    "member_system": "old",
}
HEADER = "order,time,store,member,sku,qty,amount,off\n"


def errors_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_scattered_rows_of_an_order_become_one_order_that_earns(chain, importer) -> None:
    outcome = importer(
        "orders",
        HEADER
        + "A1,2026-01-05 10:00,S1,h1,P1,1,12.50,2.50\n"
        + "A2,2026/1/6 9:30:15,S2,h2,P2,2.5,100,0\n"
        + "A1,2026-01-05 10:00,S1,h1,P2,0,0.60,\n",
        mapping=MAPPING,
    )
    assert (outcome.counts.imported, outcome.counts.refused, outcome.counts.lines) == (2, 0, 3)
    assert outcome.counts.sales_minor == 11310
    order = Order.objects.get(number="A1")
    assert (order.system, order.list_minor, order.discount_minor, order.sales_minor) == (
        "old",
        1560,
        250,
        1310,
    )
    assert order.occurred_at == datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
    assert order.points_earned == 13
    lines = list(OrderLine.objects.filter(order=order).order_by("line_no"))
    assert [str(line.quantity) for line in lines] == ["1.000", "0.000"]
    assert lines[0].detail == [{"kind": "given", "code": "retail", "minor": 250}]
    member = Identifier.objects.filter(kind="external").get(member_id=order.member_id).member_id
    assert Account.objects.get(member_id=member, asset="points").balance == 13
    assert reconcile().is_clean


def test_an_order_with_a_wrong_row_is_left_out_whole_and_the_others_are_imported(
    chain, importer, tmp_path
) -> None:
    outcome = importer(
        "orders",
        HEADER
        + "A1,2026-01-05 10:00,S1,h1,P1,1,12.50,\n"
        + "A1,2026-01-05 10:00,S1,h1,NOPE,1,12.50,\n"
        + "A2,2026-01-05 10:00,S1,h2,P1,1,5,\n"
        + "A3,2026-01-05 10:00,S9,h2,P1,1,5,\n"
        + "A4,2026-01-05 10:00,S1,13800000000,P1,1,5,\n"
        + "A5,2026-01-05 10:00,S1,h1,P1,1,5,\n"
        + "A5,2026-01-05 10:00,S1,h2,P1,1,5,\n",
        mapping=MAPPING,
    )
    assert set(Order.objects.values_list("number", flat=True)) == {"A2"}
    assert (outcome.counts.imported, outcome.counts.refused) == (1, 4)
    found = {
        (int(e["row"]), e["column"], e["code"], e["value"])
        for e in errors_of(tmp_path / "orders.csv.errors.csv")
    }
    assert found == {
        (3, "sku", "unknown_sku", "NOPE"),
        (2, "order", "order_refused", "A1"),
        (5, "store", "unknown_store", "S9"),
        (6, "member", "unknown_member", "1***00"),
        (7, "order", "order_conflict", "A5"),
        (8, "order", "order_conflict", "A5"),
    }


def test_bad_cells_are_named_one_by_one(chain, importer, tmp_path) -> None:
    rows = [
        ("03/04/2026", "1", "5", "", "ambiguous_date"),
        ("2026-13-40", "1", "5", "", "invalid_date"),
        ("2099-01-01", "1", "5", "", "date_in_future"),
        ("2026年1月5日", "-1", "5", "", "negative"),
        ("2026年1月5日 8时5分", "1.0001", "5", "", "invalid_quantity"),
        ("20260105", "1", "5.005", "", "too_many_decimals"),
        ("46027", "1", "五元", "", "invalid_money"),
        ("2026.1.5 10:00", "1", "NaN", "", "invalid_money"),
        ("2026-01-05T10:00:00Z", "1", "99999999999999999999", "", "amount_too_large"),
        ("2024-01-05", "1", "5", "", "before_programme"),
        ("2026-01-05", "1", "", "1", "amount_missing"),
    ]
    text = HEADER + "".join(
        f"N{i},{at},S1,h1,P1,{qty},{amount},{off}\n" for i, (at, qty, amount, off, _) in enumerate(rows)
    )
    outcome = importer("orders", text, mapping=MAPPING)
    assert outcome.counts.imported == 0
    assert Order.objects.count() == 0
    found = {int(e["row"]): e["code"] for e in errors_of(tmp_path / "orders.csv.errors.csv")}
    assert found == {i + 2: row[4] for i, row in enumerate(rows)}


NAME = {"zh-Hans": "规则"}
BY_CASH = {"id": "cash", "name": NAME, "give": 1, "per": "1.00", "when": {"tenders": ["cash"]}}
LIMITED = {"id": "limited", "name": NAME, "give": 1, "per": "1.00", "budget": "launch"}
LAUNCH = {"id": "launch", "name": NAME, "limit": 12}
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


def test_a_file_without_tenders_is_refused_row_by_row_for_the_times_whose_rules_look_at_them(
    chain, importer, tmp_path
) -> None:
    publish(effective_at=FEBRUARY, earning=[BY_CASH])
    text = HEADER + ("A1,2026-01-31,S1,h1,P1,1,5,\nA2,2026-02-02,S1,h1,P1,1,5,\nA3,2026-02-02,S1,,P1,1,5,\n")
    importer("orders", text, mapping=MAPPING)
    assert sorted(Order.objects.values_list("number", flat=True)) == ["A1", "A3"]
    found = {int(e["row"]): e["code"] for e in errors_of(tmp_path / "orders.csv.errors.csv")}
    assert found == {3: "programme_asks_tenders"}
    constants = {**MAPPING["constants"], "tender": "cash"}
    importer("orders", text, mapping={**MAPPING, "constants": constants}, restart=True)
    assert Order.objects.get(number="A2").points_earned == 5


def paid(number: str) -> list[tuple[str, int]]:
    return list(
        OrderTender.objects.filter(order__number=number).order_by("seq").values_list("kind", "amount_minor")
    )


def test_a_column_that_says_how_was_paid_is_kept_and_earned_by(chain, importer, tmp_path) -> None:
    publish(effective_at=FEBRUARY, earning=[BY_CASH])
    mapping = {
        **MAPPING,
        "columns": {**MAPPING["columns"], "pay": "tender"},
        "values": {"tender": {"挂账": "other"}},
    }
    text = HEADER.strip() + ",pay\n" + (
        "A1,2026-02-02,S1,h1,P1,1,5,,现金\nA1,2026-02-02,S1,h1,P2,1,2,,\n"
        "A2,2026-02-02,S1,h1,P1,1,5,,WeChat Pay\nA3,2026-02-02,S1,h1,P1,1,5,,挂账\nA4,2026-02-02,S1,h1,P1,1,5,,\n"
        "A5,2026-02-02,S1,h1,P1,1,5,,贝壳\nA6,2026-02-02,S1,h1,P1,1,5,,储值卡\n"
        "A7,2026-02-02,S1,h1,P1,1,5,,cash\nA7,2026-02-02,S1,h1,P1,1,5,,alipay\nA8,2026-02-02,S1,,P1,1,0,5,cash\n"
    )  # fmt: skip
    importer("orders", text, mapping=mapping)
    assert dict(Order.objects.values_list("number", "points_earned")) == {
        "A1": 7, "A2": 0, "A3": 0, "A4": 0, "A8": 0
    }  # fmt: skip
    assert [paid(f"A{n}") for n in (1, 2, 3, 4, 8)] == [
        [("cash", 700)], [("wechat", 500)], [("other", 500)], [], []
    ]  # fmt: skip
    found = {
        (int(e["row"]), e["column"], e["code"], e["value"])
        for e in errors_of(tmp_path / "orders.csv.errors.csv")
    }
    assert found == {
        (7, "pay", "unknown_tender", "贝壳"),
        (8, "pay", "tender_of_a_balance", "储值卡"),
        (9, "pay", "order_conflict", "cash"),
        (10, "pay", "order_conflict", "alipay"),
    }
    assert verify_orders()[1] == []


def test_columns_of_amounts_must_add_up_to_the_order(chain, importer, tmp_path) -> None:
    publish(effective_at=FEBRUARY, earning=[BY_CASH])
    columns = {"微信": "tender:wechat", "现金": "tender:cash", "储值": "tender:stored_value"}
    mapping = {**MAPPING, "columns": {**MAPPING["columns"], **columns}}
    text = HEADER.strip() + ",微信,现金,储值\n" + (
        "A1,2026-02-02,S1,h1,P1,1,5,1,3,3.5,0\nA1,2026-02-02,S1,h1,P2,1,1.5,,3.00,3.50,\n"
        "A2,2026-02-02,S1,h1,P1,1,5,,5,,\nA3,2026-02-02,S1,h1,P1,1,5,,,,\n"
        "A4,2026-02-02,S1,h1,P1,1,5,,4,0.99,\nA5,2026-02-02,S1,h1,P1,1,5,,4,1.01,\nA6,2026-02-02,S1,h1,P1,1,5,,0,0,\n"
        "A7,2026-02-02,S1,h1,P1,1,5,,3,,2\nA8,2026-02-02,S1,h1,P1,1,5,,-5,10,\n"
        "A9,2026-02-02,S1,h1,P1,1,5,,10,,\nA9,2026-02-02,S1,h1,P1,1,5,,9,,\n"
    )  # fmt: skip
    outcome = importer("orders", text, mapping=mapping)
    assert (outcome.counts.imported, outcome.counts.refused) == (3, 6)
    assert [paid(f"A{n}") for n in (1, 2, 3)] == [[("wechat", 300), ("cash", 350)], [("wechat", 500)], []]
    assert dict(Order.objects.values_list("number", "points_earned")) == {"A1": 6, "A2": 0, "A3": 0}
    found = {(int(e["row"]), e["column"], e["code"]) for e in errors_of(tmp_path / "orders.csv.errors.csv")}
    assert found == {
        (6, "tender", "tenders_short"),
        (7, "tender", "tenders_exceed"),
        (8, "tender", "tenders_short"),
        (9, "储值", "tender_of_a_balance"),
        (10, "微信", "negative"),
        (11, "微信", "order_conflict"),
        (12, "微信", "order_conflict"),
    }
    with pytest.raises(MappingInvalid, match="tender:shells"):
        importer("orders", text, mapping={**mapping, "columns": {**columns, "微信": "tender:shells"}})
    with pytest.raises(MappingInvalid, match="one column, or"):
        importer("orders", text, mapping={**mapping, "constants": {"system": "old", "tender": "cash"}})


def test_a_budget_goes_to_who_bought_first_whatever_the_order_of_the_file_and_of_the_members(
    chain, importer, monkeypatch
) -> None:
    """Interrupted and gone on with, too: what was drawn is drawn once."""
    publish(effective_at=FEBRUARY, earning=[LIMITED], budgets=[LAUNCH])
    monkeypatch.setattr(orders_plan, "LANE_LINES", 1)
    monkeypatch.setattr(orders_plan, "CHUNK_LINES", 2)
    # Six orders of 4.00 under a budget of 12: by time h9 and h5 come first, h1 last.
    rows = [f"A{n},2026-02-0{8 - n} 10:00,S1,h{(n * 4 + 1) % 12 % 10},P1,1,4,\n" for n in range(1, 7)]
    wanted = {f"A{n}": 4 if n > 3 else 0 for n in range(1, 7)}
    write = orders_lane._write_chunk
    written: list[int] = []

    def break_at_the_third(run, orders, now):  # type: ignore[no-untyped-def]
        written.append(len(orders))
        if len(written) == 3:
            raise RuntimeError("the power fails")
        return write(run, orders, now)

    monkeypatch.setattr(orders_lane, "_write_chunk", break_at_the_third)
    with pytest.raises(RuntimeError):
        importer("orders", HEADER + "".join(rows), mapping=MAPPING, workers=2)
    assert dict(Order.objects.values_list("number", "points_earned")) == {
        number: points for number, points in wanted.items() if number > "A2"
    }
    outcome = importer("orders", HEADER + "".join(rows), mapping=MAPPING, workers=2)
    assert (outcome.resumed, outcome.counts.imported, written) == (True, 6, [2, 2, 2, 2])
    assert dict(Order.objects.values_list("number", "points_earned")) == wanted
    assert Counter.objects.get(budget="launch").used == 12
    assert (verify_counters(), reconcile().is_clean) == ([], True)


def test_a_named_format_makes_an_ambiguous_date_clear(chain, importer) -> None:
    text = HEADER + "A1,03/04/2026,S1,h1,P1,1,5,\n"
    importer("orders", text, mapping={**MAPPING, "dates": {"occurred_at": "%d/%m/%Y"}})
    assert Order.objects.get().occurred_at == datetime(2026, 4, 2, 16, tzinfo=UTC)


def test_decimal_comma_and_minor_units(chain, importer) -> None:
    importer(
        "orders", HEADER + 'A1,2026-01-05,S1,h1,P1,"1,5","1.234,50",\n', mapping={**MAPPING, "decimal": ","}
    )
    importer("orders", HEADER + "A2,2026-01-05,S1,h1,P1,1,1234,\n", mapping={**MAPPING, "money": "minor"})
    assert dict(Order.objects.values_list("number", "sales_minor")) == {"A1": 123450, "A2": 1234}


def test_the_same_file_again_changes_nothing_and_an_edited_one_brings_only_what_is_new(
    chain, importer, tmp_path
) -> None:
    text = HEADER + "A1,2026-01-05,S1,h1,P1,1,5,\n"
    importer("orders", text, mapping=MAPPING)
    before = (Order.objects.count(), ImportChunk.objects.count(), Account.objects.get(asset="points").balance)
    again = importer("orders", text, mapping=MAPPING)
    assert again.already_imported
    assert (
        Order.objects.count(),
        ImportChunk.objects.count(),
        Account.objects.get(asset="points").balance,
    ) == before
    edited = importer("orders", text + "A2,2026-01-06,S1,h1,P1,1,7,\n", mapping=MAPPING)
    assert (edited.counts.imported, edited.counts.skipped) == (1, 1)
    assert [(e["row"], e["column"], e["code"]) for e in errors_of(tmp_path / "orders.csv.errors.csv")] == [
        ("2", "order", "order_exists")
    ]
    assert set(Order.objects.values_list("number", flat=True)) == {"A1", "A2"}
    assert Account.objects.get(asset="points").balance == 12


def test_a_dry_run_tells_everything_and_changes_nothing(chain, importer, tmp_path) -> None:
    text = HEADER + "A1,2026-01-05,S1,h1,P1,1,5,\nA2,2026-01-05,S1,h1,NOPE,1,5,\n"
    outcome = importer("orders", text, mapping=MAPPING, dry_run=True)
    assert (outcome.counts.imported, outcome.counts.refused, outcome.rolled_back) == (1, 1, True)
    assert (Order.objects.count(), ImportRun.objects.count()) == (0, 0)
    assert AuditEvent.objects.filter(action__startswith="integrations.").count() == 0
    assert len(errors_of(tmp_path / "orders.csv.errors.csv")) == 1
    assert importer("orders", text, mapping=MAPPING).counts.imported == 1


def test_a_dry_run_that_lets_go_of_each_chunk_tells_the_same_figures(chain, importer, monkeypatch) -> None:
    """A member becomes gold on the way, and their orders lie in several chunks of the plan."""
    monkeypatch.setattr(orders_plan, "CHUNK_LINES", 2)
    importer("orders", HEADER + "B1,2026-01-02,S1,h1,P1,1,5,\n", mapping=MAPPING)
    rows = [f"A{n},2026-01-{5 + n:02d},S1,{'h' * (n % 4 > 0)}{n % 4 or ''},P1,1,40,\n" for n in range(16)]
    text = HEADER + "".join(rows) + "B1,2026-01-02,S1,h1,P1,1,5,\n"
    tried = importer("orders", text, mapping=MAPPING, dry_run=True)
    assert (Order.objects.count(), ImportRun.objects.count()) == (1, 1)
    done = importer("orders", text, mapping=MAPPING)
    assert (done.counts.imported, done.counts.skipped) == (16, 1)
    assert done.counts.points > 12 * 40  # who is gold earns twice
    assert (tried.counts, tried.error_codes, tried.rows) == (done.counts, done.error_codes, done.rows)


def test_a_run_that_keeps_tills_waiting_says_so(chain, tmp_path, monkeypatch) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + "A1,2026-02-05,S1,h1,P1,1,5,\nA2,2026-02-05,S1,h1,P1,1,5,\n")

    def phases(**options: bool) -> list[str]:
        works: list[Work] = []
        run_import(
            kind=Kind.ORDERS,
            path=path,
            mapping=read_mapping(MAPPING, Kind.ORDERS),
            options=Options(**options),
            clock=lambda: NOW,
            progress=works.append,
        )
        return list(dict.fromkeys(work.phase for work in works))

    assert phases(dry_run=True) == ["plan", "orders"]
    with monkeypatch.context() as patch:
        patch.setattr(orders_lane, "LINES_OF_ONE_MEMBER", 1)
        assert phases(dry_run=True) == ["plan", "hold", "orders"]
    publish(effective_at=FEBRUARY, earning=[LIMITED], budgets=[LAUNCH])
    assert phases(dry_run=True) == ["plan", "hold", "orders"]
    assert phases(all_or_nothing=True) == ["plan", "hold", "orders"]


def test_all_or_nothing_imports_nothing_when_one_row_is_wrong(chain, importer) -> None:
    text = HEADER + "A1,2026-01-05,S1,h1,P1,1,5,\nA2,2026-01-05,S1,h1,NOPE,1,5,\n"
    assert importer("orders", text, mapping=MAPPING, all_or_nothing=True).rolled_back
    assert Order.objects.count() == 0
    good = importer("orders", HEADER + "A1,2026-01-05,S1,h1,P1,1,5,\n", mapping=MAPPING, all_or_nothing=True)
    assert (good.counts.imported, good.rolled_back, Order.objects.count()) == (1, False, 1)


def test_orders_without_a_member_are_imported_and_earn_nothing(chain, importer) -> None:
    importer("orders", HEADER + "A1,2026-01-05,S1,,P1,1,5,\n", mapping=MAPPING)
    order = Order.objects.get()
    assert (order.member_id, order.points_earned, order.sales_minor) == (None, 0, 500)


def test_a_member_is_found_by_phone_in_any_spelling(chain, importer) -> None:
    mapping = {**MAPPING, "columns": {**MAPPING["columns"], "member": "member_phone"}}
    mapping.pop("member_system")
    text = HEADER + "A1,2026-01-05,S1,13800000003,P1,1,60,\nA2,2026-01-06,S1,+86 138-0000-0003,P1,1,60,\n"
    importer("orders", text, mapping=mapping)
    assert Order.objects.values("member_id").distinct().count() == 1
    assert list(Order.objects.order_by("occurred_at").values_list("tier", "points_earned")) == [
        ("basic", 60),
        ("basic", 60),
    ]


def test_each_chunk_leaves_one_event_and_one_audit_row_without_personal_data(chain, importer) -> None:
    importer("orders", HEADER + "A1,2026-01-05,S1,h1,P1,1,5,\n", mapping=MAPPING)
    event = OutboxEvent.objects.get(name="checkout.orders_imported.v1")
    assert (event.payload["imported"], event.payload["sales_minor"], event.member_id) == (1, 500, None)
    assert AuditEvent.objects.get(action="integrations.import_chunk").data["kind"] == "orders"


def test_the_mapping_must_fit_the_file(chain, importer) -> None:
    with pytest.raises(MappingInvalid, match="sku"):
        importer("orders", "order,time,store,qty,amount\n1,2026-01-05,S1,1,5\n", mapping=None)
    with pytest.raises(MappingInvalid, match="no such column"):
        importer("orders", "order\n1\n", mapping=MAPPING)
    with pytest.raises(MappingInvalid, match="one column only"):
        importer("orders", "单号,时间,门店,手机号,会员号,货号,数量,金额\n1,2026-01-05,S1,,,P1,1,5\n")


def test_a_catalogue_too_large_to_keep_is_read_chunk_by_chunk(chain, importer, monkeypatch) -> None:
    monkeypatch.setattr(orders_lane, "PRODUCTS_KEPT", 1)
    monkeypatch.setattr(orders_plan, "CHUNK_LINES", 2)
    rows = [f"A{n},2026-01-0{1 + n} 10:00,S1,h1,P{n % 3},1,{n + 1}.00,0\n" for n in range(8)]
    assert importer("orders", HEADER + "".join(rows), mapping=MAPPING).counts.imported == 8
    assert ImportChunk.objects.count() == 4
    sold = OrderLine.objects.order_by("order__number").values_list("product__sku", "payable_minor")
    assert list(sold) == [(f"P{n % 3}", 100 * (n + 1)) for n in range(8)]
