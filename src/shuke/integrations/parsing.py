"""What a cell means, as DuckDB expressions: set-based, exact, and with the reason when it means nothing.

For each field the table `parsed` holds the value in p_<i> (money in minor units, quantities in thousandths, instants in
microseconds of UTC) and in e_<i> the code of what is wrong with it. Columns of Parquet files that have a fitting type
already skip the text rules.
"""

# ruff: noqa: S608 - DuckDB statements of our own column names; a cell of the file is never part of a statement
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from shuke.integrations.fields import INSIDE_TENDERS, Field, find_field
from shuke.integrations.files import Source
from shuke.integrations.mapping import Mapping
from shuke.kit.money import MAX_MINOR, exponent

SECOND = 1_000_000
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_TIMESTAMPS = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_OLDEST_INSTANT = "1990-01-01"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_TRIM = "' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288) || chr(65279)"
_WIDE = "０１２３４５６７８９．，：／－＋"
_NARROW = "0123456789.,:/-+"
_TIME = r"([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?"
_ISO_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
_TRUE = "('true','1','yes','y','t','是','营业','營業','在售','启用','啟用')"
_FALSE = "('false','0','no','n','f','否','停业','停業','关闭','已停业','下架','停用')"
_GENDERS = {
    "female": ("female", "f", "女", "女士", "小姐", "w"),
    "male": ("male", "m", "男", "先生"),
    "other": ("other", "其他"),
}
_UNKNOWN_GENDERS = ("未知", "保密", "unknown", "u", "不详", "-")
_TENDERS = {
    "cash": ("cash", "现金", "現金"),
    "card": ("card", "credit card", "debit card", "bank card", "unionpay", "visa", "mastercard", "银行卡", "銀行卡", "信用卡",
             "借记卡", "储蓄卡", "金融卡", "刷卡", "银联", "銀聯"),
    "wechat": ("wechat", "wechat pay", "wechatpay", "微信", "微信支付"),
    "alipay": ("alipay", "支付宝", "支付寶"),
    "transfer": ("transfer", "bank transfer", "转账", "轉賬", "轉帳", "银行转账", "對公轉賬", "对公转账"),
    "other": ("other", "其他", "其它"),
    "stored_value": ("stored_value", "stored value", "储值", "儲值", "储值卡", "儲值卡", "余额", "餘額", "会员余额",
                     "會員餘額"),
    "gift_card": ("gift_card", "gift card", "giftcard", "礼品卡", "禮品卡"),
    "points": ("points", "积分", "積分", "积分抵扣", "積分折抵"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A field in `parsed`: its place, and the raw column it came from (None for a constant)."""

    field: Field
    name: str
    index: int
    raw: str | None

    @property
    def value(self) -> str:
        return f"p_{self.index}"

    @property
    def error(self) -> str:
        return f"e_{self.index}"


def parse(
    connection: duckdb.DuckDBPyConnection, source: Source, mapping: Mapping, now: datetime
) -> list[Column]:
    """Make the table `parsed` out of `raw`. Returns its fields."""
    columns: list[Column] = []
    texts: list[str] = []
    values: list[str] = []
    errors: list[str] = []
    for index, name in enumerate(mapping.fields()):
        field = find_field(mapping.kind, name)
        assert field is not None
        header = mapping.column_of(name)
        place = source.headers.index(header) if header is not None else None
        kind = source.types[place] if place is not None else "VARCHAR"
        columns.append(Column(field, name, index, None if place is None else f"c{place}"))
        raw = _constant(mapping.constants[name]) if place is None else f"c{place}"
        typed = _typed(field, kind, mapping) if name not in mapping.values else None
        if typed is not None:
            texts.append(f"{raw} AS x_{index}")
            values.append(f"{typed.format(x=f'x_{index}')} AS p_{index}")
        else:
            texts.append(f"{_text(raw, kind, mapping, name)} AS x_{index}")
            values.append(f"{_value(field, f'x_{index}', mapping, name)} AS p_{index}")
        checks = [*([("missing", f"x_{index} IS NULL")] if field.required else [])]
        checks += _checks(field, f"x_{index}", f"p_{index}", typed is not None, mapping, name, now)
        cases = " ".join(f"WHEN {condition} THEN '{code}'" for code, condition in checks)
        errors.append(f"{f'CASE {cases} END' if cases else 'NULL'}::VARCHAR AS e_{index}")
    connection.execute(
        f"CREATE TABLE parsed AS SELECT row, {', '.join(f'p_{c.index}, e_{c.index}' for c in columns)} FROM"
        f" (SELECT *, {', '.join(errors)} FROM (SELECT *, {', '.join(values)} FROM"
        f" (SELECT row, {', '.join(texts)} FROM raw)))"
    )
    return columns


def _constant(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(raw: str, kind: str, mapping: Mapping, name: str) -> str:
    plain = raw if kind == "VARCHAR" else f"CAST({raw} AS VARCHAR)"
    trimmed = f"nullif(trim({plain}, {_TRIM}), '')"
    exchange = mapping.values.get(name)
    if not exchange:
        return trimmed
    cases = " ".join(f"WHEN {_constant(a)} THEN {_constant(b)}" for a, b in exchange.items())
    return f"nullif(CASE {trimmed} {cases} ELSE {trimmed} END, '')"


def _typed(field: Field, kind: str, mapping: Mapping) -> str | None:
    """The expression for a column whose type says already what it is; `{x}` is the column."""
    zone = _constant(mapping.time_zone)
    if field.type == "instant":
        if kind in _TIMESTAMPS or kind == "DATE":
            return f"epoch_us(timezone({zone}, CAST({{x}} AS TIMESTAMP)))"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return "epoch_us({x})"
    if field.type == "date" and (kind in _TIMESTAMPS or kind == "DATE"):
        return "CAST({x} AS DATE)"
    if field.type == "money" and kind in _INTEGERS:
        factor = 1 if mapping.money == "minor" else 10 ** exponent(mapping.currency)
        return f"CAST({{x}} AS BIGINT) * {factor}"
    if field.type == "quantity" and kind in _INTEGERS:
        return "CAST({x} AS BIGINT) * 1000"
    if field.type == "boolean" and kind == "BOOLEAN":
        return "{x}"
    return None


def _value(field: Field, x: str, mapping: Mapping, name: str) -> str:
    match field.type:
        case "money":
            return _decimal(x, 0 if mapping.money == "minor" else exponent(mapping.currency), mapping)
        case "quantity":
            return _decimal(x, 3, mapping)
        case "date":
            return f"CAST({_moment(x, mapping.formats(name))} AS DATE)"
        case "instant":
            local = f"epoch_us(timezone({_constant(mapping.time_zone)}, {_moment(x, mapping.formats(name))}))"
            if mapping.formats(name):
                return local
            offset = rf"regexp_full_match({x}, '{_ISO_DAY}[ T].*(Z|[+-]\d{{2}}(:?\d{{2}})?)')"
            return f"CASE WHEN {offset} THEN epoch_us(TRY_CAST(replace({x}, '/', '-') AS TIMESTAMPTZ)) ELSE {local} END"
        case "boolean":
            return f"CASE WHEN lower({x}) IN {_TRUE} THEN true WHEN lower({x}) IN {_FALSE} THEN false END"
        case "gender":
            cases = " ".join(f"WHEN lower({x}) IN {words!r} THEN '{sex}'" for sex, words in _GENDERS.items())
            return f"CASE {cases} WHEN lower({x}) IN {_UNKNOWN_GENDERS!r} THEN '' END"
        case "tender":
            cases = " ".join(
                f"WHEN lower({x}) IN {words!r} THEN '{kind}'" for kind, words in _TENDERS.items()
            )
            return f"CASE {cases} END"
        case "json":
            return f"CASE WHEN json_valid({x}) AND json_type({x}) = 'OBJECT' THEN {x} END"
    return x


def _checks(
    field: Field, x: str, p: str, is_typed: bool, mapping: Mapping, name: str, now: datetime
) -> Sequence[tuple[str, str]]:
    """(code, condition), the first that holds counts."""
    match field.type:
        case "money" | "quantity":
            low = [("negative", f"{p} < 0"), ("amount_too_large", f"{p} > {MAX_MINOR}")]
            if field.name == "tender:" and name.partition(":")[2] in INSIDE_TENDERS:
                low.append(("tender_of_a_balance", f"{p} > 0"))
            if is_typed:
                return low
            number = _number(x, mapping)
            places = (
                3
                if field.type == "quantity"
                else 0
                if mapping.money == "minor"
                else exponent(mapping.currency)
            )
            bad = f"invalid_{field.type}"
            decimals = "too_many_decimals" if field.type == "money" else bad
            return [
                (
                    bad,
                    rf"{x} IS NOT NULL AND {p} IS NULL AND NOT regexp_full_match({number}, '[+-]?\d+(\.\d*)?')",
                ),
                (decimals, rf"{p} IS NULL AND regexp_matches({number}, '\.\d{{{places}}}\d*[1-9]')"),
                ("amount_too_large", f"{x} IS NOT NULL AND {p} IS NULL"),
                *low,
            ]
        case "date" | "instant":
            shape = r"\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([ T].*)?"
            top = f"epoch_us(TIMESTAMPTZ '{now.isoformat()}') + {300 * SECOND}"
            if field.type == "instant":
                range_ = [
                    ("date_in_future", f"{p} > {top}"),
                    ("date_implausible", f"{p} < epoch_us(TIMESTAMP '{_OLDEST_INSTANT}')"),
                ]
            else:
                range_ = [
                    ("date_in_future", f"{p} > DATE '{now.date().isoformat()}' + 1"),
                    ("date_implausible", f"{p} < DATE '1900-01-01'"),
                ]
            if is_typed:
                return range_
            unreadable = f"{x} IS NOT NULL AND {p} IS NULL"
            ambiguous = [] if mapping.formats(name) else [
                ("ambiguous_date", f"{unreadable} AND regexp_full_match({_narrow(x)}, '{shape}')")
            ]  # fmt: skip
            return [*ambiguous, ("invalid_date", unreadable), *range_]
        case "boolean" | "gender" | "json":
            return [(f"invalid_{field.type}", f"{x} IS NOT NULL AND {p} IS NULL")] if not is_typed else []
        case "tender":
            return [
                ("unknown_tender", f"{x} IS NOT NULL AND {p} IS NULL"),
                ("tender_of_a_balance", f"{p} IN {tuple(sorted(INSIDE_TENDERS))!r}"),
            ]
        case "code":
            return [
                ("invalid_code", f"regexp_matches({x}, '[\\s\\x00-\\x1f\\x7f]')"),
                ("too_long", f"length({x}) > {field.limit}"),
            ]
    return [
        ("too_long", f"length({x}) > {field.limit}"),
        ("control_characters", f"regexp_matches({x}, '{_CONTROL}')"),
    ]


def _narrow(x: str) -> str:
    return f"translate({x}, '{_WIDE}', '{_NARROW}')"


def _number(x: str, mapping: Mapping) -> str:
    """A number as digits with a decimal point, without currency signs and correctly placed thousands separators."""
    bare = f"regexp_replace({_narrow(x)}, '[¥￥$€元\\s]|CNY|RMB', '', 'g')"
    group, point = (",", ".") if mapping.decimal == "." else (".", ",")
    grouped = rf"regexp_full_match({bare}, '[+-]?\d{{1,3}}([{group}]\d{{3}})+([{point}]\d*)?')"
    flat = f"CASE WHEN {grouped} THEN replace({bare}, '{group}', '') ELSE {bare} END"
    # A sign that stays although it is no separator makes the number invalid instead of a thousand times larger.
    return flat if point == "." else f"replace(replace({flat}, '.', '?'), ',', '.')"


def _decimal(x: str, places: int, mapping: Mapping) -> str:
    number = _number(x, mapping)
    shape = rf"[+-]?\d{{1,15}}(\.\d{{0,{places}}}0*)?"
    return (
        f"CASE WHEN regexp_full_match({number}, '{shape}')"
        f" THEN CAST(TRY_CAST({number} AS DECIMAL(18, {places})) * {10**places} AS BIGINT) END"
    )


def _moment(x: str, formats: Sequence[str]) -> str:
    """A date, perhaps with a time, as a local TIMESTAMP; NULL when it is none or could be read in two ways."""
    plain = _narrow(x)
    if formats:
        return f"coalesce({', '.join(f'try_strptime({plain}, {_constant(one)})' for one in formats)})"
    chinese = (
        f"regexp_replace(regexp_replace(regexp_replace({plain}, '[年月]', '-', 'g'), '日\\s*', ' '),"
        r" '(\d{1,2})[时時点點](\d{1,2})分?((\d{1,2})秒)?', '\1:\2:0\4')"
    )
    chinese = f"trim(regexp_replace({chinese}, ':0(\\d\\d)$', ':\\1'))"
    return (
        "CASE"
        f" WHEN regexp_full_match({plain}, '{_ISO_DAY}{_TIME}')"
        f" THEN TRY_CAST(regexp_replace(regexp_replace({plain}, '[/.]', '-'), '^(\\d+-\\d+)[/.]', '\\1-') AS TIMESTAMP)"
        rf" WHEN regexp_full_match({plain}, '(19|20)\d{{6}}') THEN try_strptime({plain}, '%Y%m%d')"
        rf" WHEN regexp_full_match({plain}, '(19|20)\d{{12}}') THEN try_strptime({plain}, '%Y%m%d%H%M%S')"
        rf" WHEN regexp_full_match({plain}, '\d{{4}}年.*') THEN TRY_CAST({chinese} AS TIMESTAMP)"
        # A spreadsheet's serial number: days since 30 December 1899, from 1954 to 2119.
        rf" WHEN regexp_full_match({plain}, '[2-7]\d{{4}}(\.\d+)?') THEN TIMESTAMP '1899-12-30'"
        f" + to_seconds(CAST(round(CAST({plain} AS DOUBLE) * 86400) AS BIGINT))"
        " END"
    )
