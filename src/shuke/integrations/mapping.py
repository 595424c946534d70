"""The mapping: which column is which field, and how its dates, numbers and words are to be read.

Without a mapping file the headers are guessed; `suggest` writes that guess down as a file to correct.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from django.utils.translation import gettext_lazy as _

from shuke.integrations.errors import MappingInvalid
from shuke.integrations.fields import FIELDS, MEMBER_REFERENCES, OWN_SYSTEM, find_field, guess_field
from shuke.integrations.values import Kind
from shuke.kit.money import BadAmount, exponent

MAX_BYTES = 200_000
DATE_TYPES = ("date", "instant")
_TEXTS = ("time_zone", "currency", "decimal", "money", "member_system", "sheet", "encoding", "delimiter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A checked mapping. `columns`: header → field. `dates`: field → strptime formats; "" holds those for all."""

    kind: Kind
    columns: AbstractMapping[str, str]
    constants: AbstractMapping[str, str] = field(default_factory=dict)
    values: AbstractMapping[str, AbstractMapping[str, str]] = field(default_factory=dict)
    dates: AbstractMapping[str, Sequence[str]] = field(default_factory=dict)
    time_zone: str = "Asia/Shanghai"
    currency: str = "CNY"
    decimal: str = "."
    money: str = "major"
    member_system: str = ""
    settled: bool = True
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""

    def digest(self) -> bytes:
        """Equal for mappings that read a file in the same way."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).digest()

    def column_of(self, name: str) -> str | None:
        """The header that a field comes from."""
        return next((header for header, target in self.columns.items() if target == name), None)

    def fields(self) -> list[str]:
        """Every field that the file fills, from a column or a constant."""
        return list(dict.fromkeys([*self.columns.values(), *self.constants]))

    def formats(self, name: str) -> Sequence[str]:
        """The date formats for a field; none means the unambiguous ones."""
        return self.dates.get(name) or self.dates.get("") or ()


def load_mapping(path: Path, kind: Kind) -> Mapping:
    """Read a mapping file. Raises MappingInvalid with the path of the first mistake."""
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise MappingInvalid(path=path.name, reason=_("The file is too large for a mapping."))
        document = yaml.safe_load(raw.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise MappingInvalid(path=path.name, reason=" ".join(str(error).split())[:300]) from error
    return read_mapping(document, kind)


def read_mapping(document: Any, kind: Kind) -> Mapping:
    """Check a mapping that was read from YAML. Raises MappingInvalid."""
    if not isinstance(document, dict):
        raise MappingInvalid(path="/", reason=_("Write a mapping with at least `columns`."))
    known = {"kind", "columns", "constants", "values", "dates", "settled", *_TEXTS}
    for key in document:
        if key not in known:
            raise MappingInvalid(path=str(key)[:60], reason=_("There is no such setting."))
    if document.get("kind", kind) != kind:
        raise MappingInvalid(path="kind", reason=_("This mapping is for another kind of file."))
    settled = document.get("settled", True)
    if not isinstance(settled, bool):
        raise MappingInvalid(path="settled", reason=_("Write true or false."))
    texts = {}
    for name in _TEXTS:
        if name in document:
            if not isinstance(document[name], str):
                raise MappingInvalid(path=name, reason=_("Write text here."))
            texts[name] = document[name]
    mapping = Mapping(
        kind=kind,
        columns=_field_texts(document, "columns", kind),
        constants=_field_texts(document, "constants", kind, fields_are_keys=True),
        values=_value_maps(document.get("values", {}), kind),
        dates=_date_formats(document.get("dates", {}), kind),
        settled=settled,
        **texts,
    )
    _check(mapping)
    return mapping


def guess(headers: Sequence[str], kind: Kind) -> Mapping:
    """What the headers most probably mean. Of two columns that mean the same the first counts.

    A shop's own member number (会员号) is an id of the shop's system, in both kinds of file the same one, so that its
    members and their orders find each other.
    """
    columns: dict[str, str] = {}
    for header in headers:
        name = guess_field(kind, header)
        if name is not None and name not in columns.values():
            columns[header] = name
    system = OWN_SYSTEM if "member_external" in columns.values() else ""
    return Mapping(kind=kind, columns=columns, member_system=system)


def complete(mapping: Mapping, headers: Sequence[str]) -> Mapping:
    """The mapping as it applies to a file with these headers. Raises MappingInvalid for what is missing."""
    for header in mapping.columns:
        if header not in headers:
            raise MappingInvalid(path=f"columns/{header}", reason=_("The file has no such column."))
    have = set(mapping.fields())
    for field_ in FIELDS[mapping.kind]:
        if field_.required and field_.name not in have:
            raise MappingInvalid(
                path=field_.name,
                reason=_("No column gives this. Columns of the file: %(columns)s. See --suggest-mapping.")
                % {"columns": ", ".join(headers)[:400]},
            )
    if (
        mapping.kind is Kind.MEMBERS
        and not have & {"number", "name", "phone", "email", "card"}
        and not any(name.startswith("external:") for name in have)
    ):
        raise MappingInvalid(path="columns", reason=_("No column says who the member is."))
    if mapping.kind is Kind.ORDERS:
        if not have & {"unit_price", "list_amount", "net_amount"}:
            raise MappingInvalid(path="columns", reason=_("No column gives a price or an amount."))
        if len(have & set(MEMBER_REFERENCES)) > 1:
            raise MappingInvalid(path="columns", reason=_("Name the member by one column only."))
        if "tender" in have and any(name.startswith("tender:") for name in have):
            raise MappingInvalid(
                path="columns",
                reason=_("Say how was paid by one column, or by a column of amounts for each kind."),
            )
        if "member_external" in have and not mapping.member_system:
            raise MappingInvalid(
                path="member_system", reason=_("Name the system that these member ids come from.")
            )
    return mapping


def suggest(headers: Sequence[str], kind: Kind) -> str:
    """A mapping file to start from: the guess, and what could not be guessed as comments."""
    mapping = guess(headers, kind)
    lines = [f"# {kind}: column → field", f"kind: {kind}", "columns:"]
    lines += [f"  {_quote(header)}: {name}" for header, name in mapping.columns.items()]
    unknown = [header for header in headers if header not in mapping.columns]
    lines += [f"  # {_quote(header)}:" for header in unknown]
    have = set(mapping.columns.values())
    missing = [f.name for f in FIELDS[kind] if f.required and f.name not in have]
    if missing:
        lines.append(f"# still needed: {', '.join(missing)}")
    others = [f.name for f in FIELDS[kind] if f.name not in have and not f.required]
    lines.append(
        f"# other fields: {', '.join(name + 'CODE' if name.endswith(':') else name for name in others)}"
    )
    lines += ["# constants: {}", "# values: {}", '# dates: {}      # e.g. {birthday: "%d/%m/%Y"}']
    lines += ["time_zone: Asia/Shanghai", "currency: CNY", "money: major", 'decimal: "."']
    if "member_external" in have:
        lines.append(f"member_system: {mapping.member_system}")
    if kind is Kind.ORDERS:
        lines.append("settled: true")
    return "\n".join(lines) + "\n"


def with_options(mapping: Mapping, *, encoding: str, sheet: str) -> Mapping:
    """What the command line says goes before what the mapping says."""
    return replace(mapping, encoding=encoding or mapping.encoding, sheet=sheet or mapping.sheet)


def _quote(header: str) -> str:
    return json.dumps(header, ensure_ascii=False)


def _field_texts(
    document: AbstractMapping[str, Any], key: str, kind: Kind, fields_are_keys: bool = False
) -> dict[str, str]:
    given = document.get(key) or {}
    if not isinstance(given, dict):
        raise MappingInvalid(path=key, reason=_("Write pairs of a name and a value."))
    texts: dict[str, str] = {}
    for left, right in given.items():
        if right is None or isinstance(right, (dict, list)):
            raise MappingInvalid(path=f"{key}/{left}", reason=_("Write text here."))
        plain = ("true" if right else "false") if isinstance(right, bool) else str(right)
        texts[str(left)] = plain
        name = str(left) if fields_are_keys else plain
        if find_field(kind, name) is None:
            raise MappingInvalid(
                path=f"{key}/{left}", reason=_("There is no field %(name)s.") % {"name": name[:60]}
            )
    if not fields_are_keys and len(set(texts.values())) != len(texts):
        raise MappingInvalid(path=key, reason=_("Two columns give the same field."))
    return texts


def _value_maps(given: Any, kind: Kind) -> dict[str, dict[str, str]]:
    if not isinstance(given, dict):
        raise MappingInvalid(path="values", reason=_("Write pairs of a name and a value."))
    maps: dict[str, dict[str, str]] = {}
    for name, pairs in given.items():
        if find_field(kind, str(name)) is None or not isinstance(pairs, dict):
            raise MappingInvalid(path=f"values/{name}", reason=_("Name a field and the words to exchange."))
        maps[str(name)] = {
            str(a): ("true" if b is True else "false" if b is False else str(b)) for a, b in pairs.items()
        }
    return maps


def _date_formats(given: Any, kind: Kind) -> dict[str, Sequence[str]]:
    by_field = given if isinstance(given, dict) else {"": given}
    formats: dict[str, Sequence[str]] = {}
    for name, value in by_field.items():
        field_ = find_field(kind, str(name))
        if name != "" and (field_ is None or field_.type not in DATE_TYPES):
            raise MappingInvalid(path=f"dates/{name}", reason=_("This is not a field with a date."))
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list) or not all(isinstance(one, str) and "%" in one for one in several):
            raise MappingInvalid(
                path=f"dates/{name}", reason=_("Write formats such as %(example)s.") % {"example": "%d/%m/%Y"}
            )
        formats[str(name)] = several
    return formats


def _check(mapping: Mapping) -> None:
    try:
        ZoneInfo(mapping.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise MappingInvalid(path="time_zone", reason=_("There is no such time zone.")) from error
    try:
        exponent(mapping.currency)
    except BadAmount as error:
        raise MappingInvalid(path="currency", reason=_("Write a currency code such as CNY.")) from error
    if mapping.decimal not in {".", ","}:
        raise MappingInvalid(path="decimal", reason=_("The decimal sign is a point or a comma."))
    if mapping.money not in {"major", "minor"}:
        raise MappingInvalid(path="money", reason=_("Write major (12.50) or minor (1250)."))
    if len(mapping.delimiter) > 1:
        raise MappingInvalid(path="delimiter", reason=_("A delimiter is one character."))
