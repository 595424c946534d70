"""Which keys of a programme document the editor shows at once, what they refer to, and a sentence on some of them."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from shuke.core.values import Role
from shuke.ledger.values import KEY_ROLE
from shuke.loyalty import key_words
from shuke.loyalty.key_words import choice_word

__all__ = ["EXAMPLES", "MAIN", "OFFERED", "REFERENCES", "choice_word", "help_of", "label_of", "section_help"]

MAIN = frozenset({
    "discount_percent", "multiplier", "when", "factor", "per", "name", "max_percent", "levels", "weekdays", "birthday",
    "categories", "stores", "hours", "amount", "percent", "minimum_spend", "scope", "validity", "limits", "public_code",
    "stock", "points", "cash", "price", "duration", "benefits", "months", "days", "days_after_issue", "from", "until", "to",
    "per_member", "expiry", "auto_issue", "coupons", "free_shipping", "coupon", "fulfilment", "top_up_least", "top_up_most",
    "bonuses",
})  # fmt: skip
"""Keys that most programmes use; a form shows them at once, the others under “more”."""

REFERENCES: dict[str, tuple[str, ...]] = {
    "asset": ("assets",),
    "budget": ("budgets",),
    "tier": ("tiers", "levels"),
    "tiers": ("tiers", "levels"),
    "up_to": ("tiers", "levels"),
    "coupon": ("coupons",),
    "template": ("coupons",),
    "plans": ("plans",),
    "upgrade_to": ("plans",),
    "default": ("taxes", "rates"),
}
"""Where in the draft the codes stand that a key refers to."""

OFFERED = {
    "stores": "stores",
    "channels": "channels",
    "tenders": "tenders",
    "tags": "tags",
    "categories": "categories",
    "exclude_categories": "categories",
    "skus": "products",
    "exclude_skus": "products",
    "brands": "brands",
    "exclude_brands": "brands",
}
"""Which codes that the shop knows (`known`) a key takes."""

EXAMPLES: dict[tuple[str, str], str] = {
    (holder, key): example
    for holder in ("hours", "day_parts")
    for key, example in (("from", "06:00"), ("to", "10:00"))
}
"""How a value is written, by the key that holds it and its own."""

_SECTION_HELPS: dict[str, str | Promise] = {
    "basics": pgettext_lazy("editor", "What the programme is called, its money and its clock."),
    "assets": pgettext_lazy(
        "editor",
        "What members collect. Points must be among them; for tiers by growth add one with the code growth.",
    ),
    "earning": pgettext_lazy("editor", "What a purchase gives. One rule is enough to begin with."),
    "multipliers": pgettext_lazy(
        "editor", "When purchases give more: a member day, the birthday month, some goods."
    ),
    "accruals": pgettext_lazy("editor", "What is given for joining, a check-in, a referral and the like."),
    "tiers": pgettext_lazy("editor", "Members rise by what they spend, and keep their tier for a time."),
    "redemption": pgettext_lazy("editor", "What points pay at the till."),
    "coupons": pgettext_lazy("editor", "Templates of coupons: what each takes off, for what, and how many."),
    "rewards": pgettext_lazy("editor", "What points are exchanged for."),
    "plans": pgettext_lazy("editor", "Memberships that are sold, and what they bring."),
    "stored_value": pgettext_lazy("editor", "Money that members pay in ahead, and what it brings them."),
    "policies": pgettext_lazy(
        "editor", "What happens in cases that every programme meets, such as a refund."
    ),
}

_HELPS: dict[str, str | Promise] = {
    "when": pgettext_lazy("editor", "Left empty, it always applies."),
    "caps": pgettext_lazy("editor", "The most that it gives."),
    "notice_days": pgettext_lazy("editor", "Members hear of points that lapse so many days ahead."),
    "threshold": pgettext_lazy("editor", "The lowest tier begins at 0."),
    "discount_percent": pgettext_lazy("editor", "5 takes 5 per cent off."),
    "multiplier": pgettext_lazy("editor", "1.5 gives half as many points again."),
    "code": pgettext_lazy("editor", "Small letters, digits and hyphens; it stays when the name changes."),
    "id": pgettext_lazy("editor", "Small letters, digits and hyphens; it stays when the name changes."),
}

_HOUR_HELP = pgettext_lazy("editor", "Hours and minutes, such as 06:00.")
_PLACE_HELPS: dict[tuple[str, str], str | Promise] = {
    ("when", "plans"): pgettext_lazy("editor", "It applies to members who hold one of them."),
    ("packs", "coupons"): pgettext_lazy("editor", "Which coupons a pack holds, and how many of each."),
    ("birthday", "coupons"): pgettext_lazy("editor", "Which coupons are given, and how many of each."),
    ("coupons", "percent"): pgettext_lazy("editor", "15 takes 15 per cent off."),
    ("coupons", "cap"): pgettext_lazy("editor", "The most money that it takes off in one sale."),
    ("tracks", "multiplier"): "",
    **dict.fromkeys(EXAMPLES, _HOUR_HELP),
}
"""Where a key means something else than elsewhere, by the key that holds it."""


_ROLES = {**{role.value: role.label for role in Role}, KEY_ROLE: pgettext_lazy("programme page", "API keys")}
_BY_ROLE = ("overrides", "limits")


def label_of(key: str, holder: str = "") -> str:
    """What a key is called where `holder` holds it: staff roles as everywhere in the console."""
    if holder in _BY_ROLE and key in _ROLES:
        return str(_ROLES[key])
    return key_words.label_of(key, holder)


def section_help(section: str) -> str:
    """A sentence on a section, or ""."""
    return str(_SECTION_HELPS.get(section, ""))


def help_of(key: str, holder: str = "") -> str:
    """A sentence on a key where `holder` holds it, or ""."""
    return str(_PLACE_HELPS.get((holder, key), _HELPS.get(key, "")))
