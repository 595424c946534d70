"""Mappings: guessed from headers in two languages, read from YAML, refused with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shuke.integrations.errors import MappingInvalid
from shuke.integrations.fields import FIELDS, OWN_SYSTEM, fields_of
from shuke.integrations.mapping import complete, guess, load_mapping, read_mapping, suggest
from shuke.integrations.values import Kind


def test_headers_in_chinese_and_english_are_guessed() -> None:
    assert guess(
        ["姓 名", "手机号码", "会员号", "生日", "性別", "开卡门店", "Tags", "???"], Kind.MEMBERS
    ).columns == {
        "姓 名": "name",
        "手机号码": "phone",
        "会员号": "external:shop",
        "生日": "birthday",
        "性別": "gender",
        "开卡门店": "join_store",
        "Tags": "tags",
    }
    orders = guess(
        ["Order No.", "交易时间", "门店编号", "手机", "商品条码", "数量", "单价", "优惠金额", "支付方式"],
        Kind.ORDERS,
    )
    assert list(orders.columns.values()) == [
        "number", "occurred_at", "store", "member_phone", "sku", "quantity", "unit_price", "discount:given", "tender",
    ]  # fmt: skip
    assert guess(["商品编码", "品名", "零售价", "分类", "品牌"], Kind.PRODUCTS).fields() == [
        "sku", "name", "price", "category", "brand",
    ]  # fmt: skip


def test_a_shops_own_member_number_is_an_id_of_the_shop_in_both_kinds_of_file() -> None:
    """Member numbers of this house have 12 digits and a check digit; those of a shop's old system do not."""
    members, orders = guess(["会员号", "姓名"], Kind.MEMBERS), guess(["单号", "会员号"], Kind.ORDERS)
    assert members.columns["会员号"] == f"external:{OWN_SYSTEM}"
    assert orders.columns["会员号"] == "member_external"
    assert orders.member_system == OWN_SYSTEM
    # Written as the field's own name it is what it says.
    assert guess(["number"], Kind.MEMBERS).columns == {"number": "number"}
    assert guess(["member_number"], Kind.ORDERS).columns == {"member_number": "member_number"}


def test_a_suggestion_is_a_mapping_that_can_be_used() -> None:
    headers = ["订单号", "时间", "门店", "客户编号", "货号", "数量", "金额", '怪"列']
    text = suggest(headers, Kind.ORDERS)
    mapping = read_mapping(yaml.safe_load(text), Kind.ORDERS)
    assert mapping.columns["客户编号"] == "member_external"
    assert complete(mapping, headers) is mapping
    assert "still needed: code, name" in suggest(["编号"], Kind.STORES)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "/"),
        ({"colums": {}}, "colums"),
        ({"kind": "members", "columns": {}}, "kind"),
        ({"columns": {"a": "nothing"}}, "columns/a"),
        ({"columns": {"a": "sku", "b": "sku"}}, "columns"),
        ({"columns": {"a": ["sku"]}}, "columns/a"),
        ({"columns": {}, "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"columns": {}, "currency": "yuan"}, "currency"),
        ({"columns": {}, "decimal": ";"}, "decimal"),
        ({"columns": {}, "money": "cents"}, "money"),
        ({"columns": {}, "settled": "yes please"}, "settled"),
        ({"columns": {}, "dates": {"sku": "%Y"}}, "dates/sku"),
        ({"columns": {}, "dates": {"occurred_at": "yyyy"}}, "dates/occurred_at"),
        ({"columns": {}, "values": {"nothing": {}}}, "values/nothing"),
        ({"columns": {}, "constants": {"discount:UPPER CASE": "1"}}, "constants/discount:UPPER CASE"),
    ],
)
def test_a_mistake_is_named_by_its_place(document: object, path: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        read_mapping(document, Kind.ORDERS)
    assert caught.value.params["path"] == path


def test_a_mapping_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("columns: [unclosed")
    with pytest.raises(MappingInvalid):
        load_mapping(path, Kind.ORDERS)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MappingInvalid):
        load_mapping(path, Kind.ORDERS)


def test_every_known_header_belongs_to_a_field() -> None:
    known = yaml.safe_load((Path(__file__).parents[2] / "src/shuke/integrations/headers.yaml").read_text())
    for kind in FIELDS:
        assert set(known[kind]) <= set(fields_of(kind))
