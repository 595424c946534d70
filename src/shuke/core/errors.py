"""Refusals that every room shares; a room with more to say subclasses ShukeError in its own errors.py."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class NotFound(ShukeError):
    """It does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404
    message = _("This does not exist.")


class NotAllowed(ShukeError):
    """The role does not grant it."""

    code = "not_allowed"
    status = 403
    message = _("Your role does not allow this.")


class NotChainWide(ShukeError):
    """What counts for every store is decided by somebody who covers all of them."""

    code = "not_chain_wide"
    status = 403
    message = _("This counts for every store: only people who cover all stores may do it.")


class OutOfStoreScope(ShukeError):
    """The store is not among those of the account or key."""

    code = "out_of_store_scope"
    status = 403
    message = _("This belongs to a store that you do not cover.")


class InvalidInput(ShukeError):
    """One input is unusable. `reason` is a sentence for the person who typed it."""

    code = "invalid_input"
    status = 422
    message = "%(reason)s"

    def __init__(self, *, field: str, reason: str | Promise) -> None:
        super().__init__(field=field, reason=reason)


class IdempotencyConflict(ShukeError):
    """The key was used before with another input."""

    code = "idempotency_conflict"
    status = 409
    message = _("This Idempotency-Key was already used for a different request.")


class IdempotencyKeyMissing(ShukeError):
    """A write came without Idempotency-Key."""

    code = "idempotency_key_missing"
    status = 400
    message = _("Send an Idempotency-Key header with every write.")


class RateLimited(ShukeError):
    """Too many requests with one key. `retry_after` is in whole seconds."""

    code = "rate_limited"
    status = 429
    message = _("Too many requests. Try again in %(retry_after)s s.")

    def __init__(self, *, retry_after: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(retry_after=retry_after)
        self.headers = dict(headers or {"Retry-After": str(retry_after)})


class TooManyWrongCodes(RateLimited):
    """One key or person has tried too many secret codes that do not exist."""

    code = "too_many_wrong_codes"
    message = _("Too many codes that do not exist. Try again in %(retry_after)s s.")


class Unauthenticated(ShukeError):
    """No key, an unknown key or a revoked one: the answer does not tell which."""

    code = "unauthenticated"
    status = 401
    message = _("Send a valid API key: Authorization: Bearer sk_live_…")


class KeyExpired(ShukeError):
    """The key was good once."""

    code = "key_expired"
    status = 401
    message = _("This API key has expired.")


class MissingScope(ShukeError):
    """The key lacks the scope that the endpoint needs."""

    code = "missing_scope"
    status = 403
    message = _("This API key lacks the scope %(scope)s.")

    def __init__(self, *, scope: str) -> None:
        super().__init__(scope=str(scope))


class UsernameTaken(ShukeError):
    """Usernames are unique, whatever their case."""

    code = "username_taken"
    status = 409
    message = _("This username is already taken.")


class LastOwner(ShukeError):
    """Somebody must remain who can do everything."""

    code = "last_owner"
    status = 409
    message = _("This is the last active owner. Make someone else an owner first.")


class WeakPassword(ShukeError):
    """The password breaks the rules; `reason` names all of them."""

    code = "weak_password"
    status = 422
    message = "%(reason)s"

    def __init__(self, *, reason: str) -> None:
        super().__init__(field="password", reason=reason)
