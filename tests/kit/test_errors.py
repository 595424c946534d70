"""The base of refusals."""

from __future__ import annotations

from shuke.kit.errors import ShukeError


class Sold(ShukeError):
    code = "sold_out"
    status = 409
    message = "Only %(left)s of %(sku)s are left."


def test_message_is_filled_and_the_particulars_are_kept() -> None:
    error = Sold(field="lines/0/quantity", left=2, sku="A%1")
    assert str(error) == "Only 2 of A%1 are left."
    assert (error.code, error.status, error.field, error.params) == (
        "sold_out", 409, "lines/0/quantity", {"left": 2, "sku": "A%1"}
    )  # fmt: skip


def test_without_particulars_the_message_stays_as_it_is() -> None:
    assert str(ShukeError()) == "The request was refused." and ShukeError().field is None
