"""Refusals have stable codes and speak the reader's language."""

from __future__ import annotations

import pytest
from django.utils import translation

from shuke.core import errors
from shuke.core.errors import InvalidInput, MissingScope, NotFound, RateLimited
from shuke.core.values import Permission, Role, Scope
from shuke.kit.errors import ShukeError

ALL = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ShukeError) and kind is not ShukeError
]


def test_codes_are_unique_and_statuses_are_refusals() -> None:
    codes = [kind.code for kind in ALL]
    assert len(codes) == len(set(codes)) == len(ALL)
    assert all(400 <= kind.status < 500 for kind in ALL)


def test_contract_codes_and_statuses() -> None:
    assert {(kind.code, kind.status) for kind in ALL} >= {
        ("not_found", 404), ("not_allowed", 403), ("out_of_store_scope", 403), ("invalid_input", 422),
        ("idempotency_conflict", 409), ("idempotency_key_missing", 400), ("rate_limited", 429),
        ("unauthenticated", 401), ("key_expired", 401), ("missing_scope", 403),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text"), [("zh-hans", "没有找到。"), ("zh-hant", "找不到。"), ("en", "This does not exist.")]
)
def test_message_follows_the_active_language(language: str, text: str) -> None:
    error = NotFound()
    with translation.override(language):
        assert str(error) == text


@pytest.mark.parametrize("language", ["zh-hans", "zh-hant"])
def test_every_message_role_permission_and_scope_is_translated(language: str) -> None:
    texts = [kind.message for kind in ALL if kind.message != "%(reason)s"]
    texts += [item.label for enum in (Role, Permission, Scope) for item in enum]
    with translation.override("en"):
        english = [str(text) for text in texts]
    with translation.override(language):
        untranslated = [before for before, text in zip(english, texts, strict=True) if str(text) == before]
    assert untranslated == []


def test_particulars_are_filled_in() -> None:
    with translation.override("en"):
        assert str(MissingScope(scope=Scope.MEMBERS_READ)) == "This API key lacks the scope members:read."
        assert str(RateLimited(retry_after=3)) == "Too many requests. Try again in 3 s."
        error = InvalidInput(field="lines/0/quantity", reason="100 % is too much")
        assert (str(error), error.field) == ("100 % is too much", "lines/0/quantity")
