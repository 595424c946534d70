"""The base of refusals."""

from __future__ import annotations

import pytest

from shuke.kit import errors
from shuke.kit.errors import ShukeError, tell_param


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


def test_a_code_is_told_by_its_name_and_kept_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    class SoldTea(Sold):
        told = {"sku": "tea"}

    monkeypatch.setattr(errors, "_tellers", {})
    assert str(SoldTea(left=2)) == "Only 2 of tea are left."
    tell_param("sku", {"tea": "Green tea", "A": "Apples"}.__getitem__)
    assert (str(Sold(left=2, sku="A")), str(SoldTea(left=1))) == (
        "Only 2 of Apples are left.", "Only 1 of Green tea are left."
    )  # fmt: skip
    assert (Sold(left=2, sku="A").params, SoldTea(left=1).params) == ({"left": 2, "sku": "A"}, {"left": 1})
