"""Readers of `benefits`, the one shape that tier levels and plans share. `loyalty.benefits` compiles what is returned here.

A level states its discount and multiplier beside the section, as it always did; a plan states them within it. Coupon
templates are looked up once the whole document has been read (`check_templates`): their section may come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from shuke.loyalty import source
from shuke.loyalty.readers import (
    Key,
    Notes,
    Reader,
    amount,
    boolean,
    choice,
    day,
    decimal,
    mapping,
    names,
    one_of,
    sequence,
    slug,
    text,
    whole,
)
from shuke.loyalty.source import Node, child

MAX_ITEMS = 50
MAX_PRODUCTS = 5000

_PRICE_KEYS = {
    "discount_percent": Key(decimal("0", "100"), default="0"),
    "multiplier": Key(decimal("1", "100"), default="1"),
}


def read_benefits(*, with_price: bool) -> Reader:
    """The section `benefits`; `with_price`: discount and multiplier belong into it."""

    def read(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
        keys = {
            **(_PRICE_KEYS if with_price else {}),
            "free_shipping": Key(boolean, default=False),
            "free_shipping_from": Key(amount(above_zero=False)),
            "free_shipping_worth": Key(amount(above_zero=False)),
            "priority_service": Key(boolean, default=False),
            "exclusive": Key(sequence(_exclusive, least=1, most=MAX_ITEMS)),
            "birthday": Key(_birthday),
            "packs": Key(sequence(_pack, least=1, most=MAX_ITEMS)),
            "entitlements": Key(sequence(_entitlement, least=1, most=MAX_ITEMS)),
        }
        found: dict[str, Any] | None = mapping(keys)(notes, node, path)
        if found and isinstance(node, source.Mapping):
            for key in ("free_shipping_from", "free_shipping_worth"):
                if key in found and not found.get("free_shipping"):
                    notes.add(
                        "needs_other_key",
                        child(path, key),
                        node.items[key].line,
                        _("counts only with “%(other)s”"),
                        other="free_shipping: true",
                    )
            for key in ("packs", "entitlements"):
                _once(notes, node, path, key, found)
        return found

    return read


def _once(notes: Notes, node: source.Mapping, path: str, key: str, found: dict[str, Any]) -> None:
    seen: set[str] = set()
    for index, each in enumerate(found.get(key, ())):
        code = each.get("code")
        if code in seen:
            here = f"{child(path, key)}[{index}].code"
            notes.add("duplicate", here, node.items[key].line, _("“%(value)s” is given twice"), value=code)
        if code:
            seen.add(code)


def _exclusive(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    def several(longest: int) -> Key:
        return Key(sequence(text(longest=longest), least=1, most=MAX_PRODUCTS, distinct=True))

    found: dict[str, Any] | None = mapping(
        {"skus": several(64), "categories": several(240), "from": Key(day), "until": Key(day)}
    )(notes, node, path)
    if found is not None:
        if isinstance(node, source.Mapping) and not {"skus", "categories"} & set(node.items):
            notes.add("missing_key", path, node.line, _("needs skus or categories"))
        if "from" in found and "until" in found and found["until"] <= found["from"]:
            notes.add("dates_order", child(path, "until"), node.line, _("must be later than the beginning"))
    return found


def _coupons(notes: Notes, node: Node, path: str) -> Any:
    one = mapping({"template": Key(slug(longest=40), required=True), "count": Key(whole(1, 100), default=1)})
    return sequence(one, least=1, most=MAX_ITEMS)(notes, node, path)


def _birthday(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "points": Key(whole(1, 1_000_000_000)),
            "coupons": Key(_coupons),
            "days_before": Key(whole(0, 60), default=0),
        }
    )(notes, node, path)
    if found is not None and isinstance(node, source.Mapping) and not {"points", "coupons"} & set(node.items):
        notes.add("missing_key", path, node.line, _("needs points or coupons"))
    return found


def _pack(notes: Notes, node: Node, path: str) -> Any:
    return mapping(
        {
            "code": Key(slug(longest=20), required=True),
            "period": Key(choice("month", "quarter", "year"), default="month"),
            "coupons": Key(_coupons, required=True),
            "worth": Key(amount(above_zero=False)),
        }
    )(notes, node, path)


def _entitlement(notes: Notes, node: Node, path: str) -> Any:
    return mapping(
        {
            "code": Key(slug(longest=40), required=True),
            "name": Key(names, required=True),
            "quota": Key(whole(1, 10_000), required=True),
            "period": Key(choice("day", "week", "month", "quarter", "year", "term"), default="year"),
            "stores": Key(sequence(text(longest=40), least=1, most=MAX_PRODUCTS, distinct=True)),
            "stock": Key(whole(1, 1_000_000_000)),
            "worth": Key(amount(above_zero=False)),
        }
    )(notes, node, path)


def check_benefits(notes: Notes, root: Node, found: dict[str, Any]) -> None:
    """What can be said only once all is read: templates exist, and an entitlement means the same wherever it is given."""
    main = [level.get("code", "") for level in (found.get("tiers") or {}).get("levels") or ()]
    for index, plan in enumerate(found.get("plans") or ()):
        if plan.get("tier"):
            here = f"plans[{index}].tier"
            scalar = source.Scalar(_line(root, here), plan["tier"], quoted=True)
            one_of(main, pgettext_lazy("programme", "tier"))(notes, scalar, here)
    templates = {each["code"] for each in found.get("coupons", ()) if "code" in each}
    shared: dict[str, tuple[Any, ...]] = {}
    for path, benefits in _all(found):
        line = _line(root, path)
        for here, each in _named_coupons(path, benefits):
            if each.get("template") not in templates:
                one_of(templates, pgettext_lazy("programme", "coupon template"))(
                    notes, source.Scalar(line, str(each.get("template", "")), quoted=True), f"{here}.template"
                )
        for index, each in enumerate(benefits.get("entitlements", ())):
            same = (each.get("period"), each.get("stock"))
            if shared.setdefault(each.get("code", ""), same) != same:
                notes.add(
                    "differs",
                    f"{path}.entitlements[{index}]",
                    line,
                    _("“%(value)s” has another period or stock elsewhere; only quota and stores may differ"),
                    value=each.get("code", ""),
                )


def _all(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for section, items in (
        ("tiers.levels", (found.get("tiers") or {}).get("levels") or ()),
        ("plans", found.get("plans") or ()),
    ):
        for index, each in enumerate(items):
            if each.get("benefits"):
                yield f"{section}[{index}].benefits", each["benefits"]


def _named_coupons(path: str, benefits: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    for index, each in enumerate((benefits.get("birthday") or {}).get("coupons") or ()):
        yield f"{path}.birthday.coupons[{index}]", each
    for number, pack in enumerate(benefits.get("packs") or ()):
        for index, each in enumerate(pack.get("coupons") or ()):
            yield f"{path}.packs[{number}].coupons[{index}]", each


def _line(root: Node, path: str) -> int:
    """The line of the section that a path begins with; good enough to find the place by."""
    head = path.partition(".")[0].partition("[")[0]
    return root.items[head].line if isinstance(root, source.Mapping) and head in root.items else root.line
