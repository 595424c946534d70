"""Members, products and stores out of files."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import xlsxwriter

from shuke.catalog.models import Product, Store
from shuke.integrations.models import ImportChunk
from shuke.members.models import Identifier, Member, SearchToken
from shuke.members.operations import define_attribute
from shuke.members.queries import find_member, open_profiles
from tests.integrations.conftest import NOW, SYSTEM

MEMBERS = "姓名,手机号,生日,性别,备注,标签,开卡门店,注册时间\n"


def errors_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_members_of_a_gbk_export_are_registered_with_encrypted_profiles(chain, importer) -> None:
    text = MEMBERS + "林若溪,138-1234-6621,1994年5月17日,女,爱喝茶,VIP;茶客,S1,2025/3/1 10:00\n"
    outcome = importer("members", text.encode("gbk"))
    assert (outcome.counts.imported, outcome.error_rows) == (1, 0)
    member = find_member("phone", "+8613812346621")
    profile = open_profiles([member.id])[member.id]
    assert (profile.name, profile.birthday, profile.gender, profile.note) == (
        "林若溪",
        date(1994, 5, 17),
        "female",
        "爱喝茶",
    )
    assert member.tags == ["VIP", "茶客"]
    assert member.joined_at == datetime(2025, 3, 1, 2, tzinfo=UTC)
    assert member.join_store.code == "S1"
    assert SearchToken.objects.filter(member=member).exists()


def test_wrong_members_are_listed_masked_and_formulas_are_defused(chain, importer, tmp_path) -> None:
    text = (
        MEMBERS
        + "好人,13912345678,,,,,,\n"
        + "坏号,12345,,,,,,\n"
        + "坏日,13912345679,03/04/1990,,,,,\n"
        + "坏性别,13912345680,,外星,,,,\n"
        + "坏店,13912345681,,,,,=S9+1,\n"
        + "重复,139 1234 5678,,,,,,\n"
        + "短行,1\n"
    )
    outcome = importer("members", text)
    assert outcome.counts.imported == 1
    found = [
        (int(e["row"]), e["column"], e["value"], e["code"])
        for e in errors_of(tmp_path / "members.csv.errors.csv")
    ]
    assert sorted(found) == [
        (3, "手机号", "", "invalid_input"),
        (4, "生日", "0***90", "ambiguous_date"),
        (5, "性别", "***", "invalid_gender"),
        (6, "开卡门店", "", "unknown_store"),
        (7, "手机号", "", "identifier_taken"),
        (8, "", "", "malformed_row"),
    ]
    assert outcome.counts.refused == 6
    assert (tmp_path / "members.csv.errors.csv").stat().st_mode & 0o077 == 0
    importer("stores", "code,name\n@SUM(A1) x,y\n")
    assert errors_of(tmp_path / "stores.csv.errors.csv")[0]["value"] == "'@SUM(A1) x"


def test_a_formula_in_a_name_is_plain_text(chain, importer, tmp_path) -> None:
    path = tmp_path / "m.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["姓名", "手机号"])
    sheet.write_string(1, 0, "=cmd|' /C calc'!A0")
    sheet.write_number(1, 1, 13912345678)
    book.close()
    assert importer("members", path).counts.imported == 1
    member = find_member("phone", "+8613912345678")
    assert open_profiles([member.id])[member.id].name == "=cmd|' /C calc'!A0"


def test_members_that_are_there_are_skipped_updated_or_reported(chain, importer, tmp_path) -> None:
    text = "姓名,手机号,attribute:level,external:crm\n王零,13800000000,金,c0\n新人,13711112222,银,c1\n"
    define_attribute(
        actor=SYSTEM, now=NOW, code="level", kind="choice",
        labels={"zh-hans": "级", "zh-hant": "級", "en": "Level"}, choices=["金", "银"],
    )  # fmt: skip
    before = Member.objects.count()
    reported = importer("members", text, name="a.csv", on_existing="error", dry_run=True)
    assert (reported.counts.imported, reported.counts.refused) == (1, 1)
    skipped = importer("members", text, name="b.csv")
    assert (skipped.counts.imported, skipped.counts.skipped, Member.objects.count()) == (1, 1, before + 1)
    member = find_member("phone", "+8613800000000")
    assert open_profiles([member.id])[member.id].name == "王0"
    updated = importer("members", text, name="c.csv", on_existing="update", restart=True)
    assert (updated.counts.imported, updated.counts.updated, updated.counts.skipped) == (0, 1, 1)
    member.refresh_from_db()
    assert open_profiles([member.id])[member.id].name == "王零"
    assert member.attributes == {"level": "金"}
    assert find_member("external", "c0", "crm") == member


def test_identifiers_of_two_members_in_one_row_are_refused(chain, importer, tmp_path) -> None:
    outcome = importer("members", "手机号,external:old\n13800000001,h2\n", on_existing="update")
    assert outcome.counts.refused == 1
    assert [e["code"] for e in errors_of(tmp_path / "members.csv.errors.csv")] == ["identifiers_disagree"]


def test_products_are_created_then_updated_and_an_absent_column_changes_nothing(chain, importer) -> None:
    first = importer(
        "products", "商品编码,品名,分类,售价\n69001,牛奶 1L,乳品/牛奶,¥12.80\n69002,面包,,\n69001,重复,,1\n"
    )
    assert (first.counts.imported, first.counts.refused) == (2, 1)
    milk = Product.objects.get(sku="69001")
    assert (milk.name, milk.category_id, milk.price_minor) == ("牛奶 1L", "乳品/牛奶", 1280)
    changed = importer("products", "sku,name,price\n69001,牛奶 1L,13.50\n69002,面包,\n", on_existing="update")
    assert (changed.counts.updated, changed.counts.skipped) == (1, 1)
    milk.refresh_from_db()
    assert (milk.category_id, milk.price_minor) == ("乳品/牛奶", 1350)


def test_stores_with_yes_and_no_in_chinese(chain, importer) -> None:
    outcome = importer(
        "stores", "门店编号;门店名称;区域;营业;开业日期\nH1;杭州店;杭州;是;2020.5.1\nH2;旧店;杭州;停业;\n"
    )
    assert outcome.counts.imported == 2
    found = (
        Store.objects.filter(code__startswith="H")
        .order_by("code")
        .values_list("code", "is_open", "opened_on")
    )
    assert list(found) == [("H1", True, date(2020, 5, 1)), ("H2", False, None)]


def test_a_run_takes_several_chunks_and_counts_all_of_them(chain, importer) -> None:
    text = "code,name\n" + "".join(f"B{i},店{i}\n" for i in range(9000))
    outcome = importer("stores", text)
    assert (outcome.counts.imported, ImportChunk.objects.count()) == (9000, 3)


def test_all_or_nothing_takes_members_back(chain, importer) -> None:
    before = (Member.objects.count(), Identifier.objects.count())
    outcome = importer("members", "手机号\n13911112222\n12\n", all_or_nothing=True)
    assert outcome.rolled_back
    assert (Member.objects.count(), Identifier.objects.count()) == before
