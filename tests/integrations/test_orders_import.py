"""Orders out of files: whole or not at all, once only, through the same rules as live ones."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shuke.checkout.models import Order, OrderLine
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.integrations import orders_lane, orders_plan
from shuke.integrations.errors import MappingInvalid
from shuke.integrations.models import ImportChunk, ImportRun
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.members.models import Identifier
from tests.factories.checkout import publish

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


def test_times_whose_rules_an_import_cannot_follow_are_refused_row_by_row(chain, importer, tmp_path) -> None:
    since = datetime(2026, 2, 1, tzinfo=UTC)
    until = datetime(2026, 3, 1, tzinfo=UTC)
    name = {"zh-Hans": "规则"}
    limited = {"id": "limited", "name": name, "give": 1, "per": "1.00", "budget": "launch"}
    asked = {key: value for key, value in limited.items() if key != "budget"}
    publish(effective_at=since, earning=[limited], budgets=[{"id": "launch", "name": name, "limit": 5}])
    publish(effective_at=until, earning=[{**asked, "when": {"tenders": ["cash"]}}])
    text = HEADER + (
        "A1,2026-01-31,S1,h1,P1,1,5,\nA2,2026-02-02,S1,h1,P1,1,5,\nA3,2026-02-02,S1,,P1,1,5,\nA4,2026-03-02,S1,h1,P1,1,5,\n"
    )
    importer("orders", text, mapping=MAPPING)
    assert sorted(Order.objects.values_list("number", flat=True)) == ["A1", "A3"]
    found = {int(e["row"]): e["code"] for e in errors_of(tmp_path / "orders.csv.errors.csv")}
    assert found == {3: "programme_has_budgets", 5: "programme_asks_tenders"}


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
