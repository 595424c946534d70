"""What stops an import as a whole. What is wrong with single rows goes to the error file instead."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class FileUnreadable(ShukeError):
    """The file cannot be taken apart into rows."""

    code = "file_unreadable"
    status = 422
    message = _("%(file)s cannot be read: %(reason)s")

    def __init__(self, *, file: str, reason: str | Promise) -> None:
        super().__init__(field="file", file=file, reason=reason)


class MappingInvalid(ShukeError):
    """The mapping names something that does not exist, or lacks something that must be there."""

    code = "mapping_invalid"
    status = 422
    message = _("The mapping cannot be used. %(path)s: %(reason)s")

    def __init__(self, *, path: str, reason: str | Promise) -> None:
        super().__init__(field=path, path=path, reason=reason)


class ImportFailed(ShukeError):
    """A worker process ended before its work did; what it had committed stays, and a new start goes on from there."""

    code = "import_failed"
    status = 500
    message = _(
        "A worker process of the import failed: %(reason)s Start the import again to go on where it stopped."
    )

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class ImportRunning(ShukeError):
    """Another process imports the same file right now."""

    code = "import_running"
    status = 409
    message = _("Another process is importing this file right now.")


REASONS: dict[str, str | Promise] = {
    "missing": _("This must not be empty."),
    "too_long": _("This is too long."),
    "control_characters": _("This holds control characters."),
    "invalid_code": _("A code has no spaces or line breaks inside."),
    "invalid_money": _("This is not an amount of money."),
    "too_many_decimals": _("This amount has more decimals than the currency."),
    "amount_too_large": _("This amount is too large."),
    "negative": _("This must not be negative; returns are not imported."),
    "invalid_quantity": _("This is not a quantity with at most three decimals."),
    "ambiguous_date": _("Day and month could be swapped here. Name the date format in the mapping."),
    "invalid_date": _(
        "This is not a date. Write 2026-01-05, 2026/1/5 or 2026年1月5日, or name the format in the mapping."
    ),
    "date_in_future": _("This lies in the future."),
    "date_implausible": _("This date lies too far back."),
    "invalid_boolean": _("Write true or false."),
    "invalid_gender": _("Gender is one of: female, male, other."),
    "invalid_json": _("This is not a JSON object."),
    "malformed_row": _("This row has more or fewer columns than the header."),
    "duplicate_row": _("This code stands in an earlier row already."),
    "unknown_store": _("There is no such store."),
    "unknown_channel": _("There is no such channel."),
    "unknown_sku": _("There is no such product."),
    "unknown_member": _("There is no such member."),
    "amount_missing": _("The line has neither a price nor an amount."),
    "amounts_disagree": _("Amount before discounts, discounts and amount after them do not add up."),
    "discount_exceeds_price": _("The discounts are more than the price."),
    "order_conflict": _("Rows of one order disagree here."),
    "order_too_long": _("The order has too many lines."),
    "order_refused": _("Another row of this order has an error, so the whole order was left out."),
    "order_exists": _("This order was imported or sold before."),
    "before_programme": _("No membership programme was in force at this time."),
    "programme_asks_tenders": _(
        "The programme of this time looks at how was paid, and no column tells it: map one to tender, or amounts to"
        " tender:cash and the like, or say the same for all as a constant."
    ),
    "unknown_tender": _(
        "This is no known way to pay. Tell in the mapping, under values, which of these it is: cash, card, wechat,"
        " alipay, transfer, other."
    ),
    "tender_of_a_balance": _(
        "Paid with stored value, a gift card or points: it would have to leave a balance of that time, which is not"
        " here. Where it shall count as money from outside, map it to other."
    ),
    "tenders_exceed": _("What was paid is more than the order comes to."),
    "tenders_short": _("What was paid is less than the order comes to."),
    "product_reserved": _("Only members of some tiers or plans may buy this product."),
    "member_exists": _("This member exists already."),
    "identifiers_disagree": _("The identifiers of this row belong to different members."),
    "already_exists": _("This code exists already."),
}
"""Why a row was refused, by code."""
