"""The audit log: who did what to which thing and when; how far it is sealed, and the proof that it is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from shuke.catalog.queries import list_stores
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.audit_words import ACTIONS, OBJECTS, action_name, actor_kind_name, object_name
from shuke.console.days import end_of, read_day, start_of
from shuke.core import operations, queries
from shuke.core.audit_hash import row_hash
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.models import AuditEvent
from shuke.core.queries import AuditFilters
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError

ROWS = 50
MOST_ROWS_TO_PROVE = 200_000
"""Proving reads every row; beyond this the command does it better than a page that somebody waits for."""
COMMAND = "shuke audit verify"


@dataclass(frozen=True, slots=True)
class Row:
    """One act in words."""

    event: AuditEvent
    action: str
    kind: str
    thing: str
    thing_href: str
    store: str


@requires(Permission.AUDIT_VIEW)
def audit(request: HttpRequest) -> HttpResponse:
    """One page of the log, newest first; the whole choice is in the address."""
    asked, staff = request.GET, staff_of(request)
    filters, problems = _filters(request)
    try:
        page = queries.list_audit(filters, asked.get("cursor") or None, limit=ROWS)
    except InvalidInput as error:
        problems.append(str(error))
        page = queries.list_audit(filters, limit=ROWS)
    names = {store.id: store.name for store in list_stores()}
    state = queries.seal_state()
    context = {
        "rows": [_row(event, names) for event in page.events],
        "next_cursor": page.next_cursor,
        "problems": problems,
        "fixed_store": scope.chosen_store(request),
        "asked": {
            key: asked.get(key, "")[:80] for key in ("actor", "action", "type", "object", "from", "to")
        },
        "filtered": any(asked.get(key) for key in ("actor", "action", "type", "object", "from", "to")),
        "actors": _actor_options(),
        "actions": [("", _("All acts")), *_action_options()],
        "types": [("", _("All things")), *sorted((key, str(name)) for key, name in OBJECTS.items())],
        "state": state,
        "head": bytes(state.last.hash).hex() if state.last else "",
        "may_prove": state.sealed_rows + state.waiting_rows <= MOST_ROWS_TO_PROVE and staff.all_stores,
        "command": COMMAND,
    }
    return render(request, "console/audit.html", context)


@requires(Permission.AUDIT_VIEW)
def audit_event(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One act with everything that was written down."""
    try:
        event = queries.get_audit(event_id, covered=_covered(request))
    except NotFound:
        raise Http404 from None
    names = {store.id: store.name for store in list_stores()}
    context = {
        "row": _row(event, names),
        "event": event,
        "data": list(_lines(event.data, names)),
        "seal": queries.seal_of(event),
        "is_intact": bytes(event.hash) == row_hash(event),
        "hash": bytes(event.hash).hex(),
        "command": COMMAND,
    }
    return render(request, "console/audit_event.html", context)


@requires(Permission.AUDIT_VIEW)
@require_POST
def audit_prove(request: HttpRequest) -> HttpResponse:
    """Recompute the whole log now, and record the result in it."""
    state = queries.seal_state()
    if state.sealed_rows + state.waiting_rows > MOST_ROWS_TO_PROVE or not staff_of(request).all_stores:
        messages.error(
            request, _("Prove a log of this size with the command: %(command)s") % {"command": COMMAND}
        )
        return redirect("console:audit")
    try:
        result = operations.prove_audit(actor=staff_of(request).as_actor(), now=clock.now())
    except ShukeError as error:
        messages.error(request, str(error))
        return redirect("console:audit")
    if result.ok:
        messages.success(request, _("Proved: every row and every seal is as it was written."))
    else:
        messages.error(request, _("The log differs from what was written. The row of this proof says where."))
    return redirect("console:audit")


def _covered(request: HttpRequest) -> list[UUID] | None:
    staff = staff_of(request)
    return None if staff.all_stores else list(staff.store_ids)


def _filters(request: HttpRequest) -> tuple[AuditFilters, list[str]]:
    asked, problems = request.GET, list[str]()
    since, until = read_day(asked.get("from", "")), read_day(asked.get("to", ""))
    if (asked.get("from") and not since) or (asked.get("to") and not until):
        problems.append(_("A date could not be read, so it was left out."))
    kind, _colon, raw = asked.get("actor", "").partition(":")
    actor_id = None
    if raw:
        try:
            actor_id = UUID(raw)
        except ValueError:
            problems.append(_("This actor is not known, so all are shown."))
            kind = ""
    store = scope.chosen_store(request)
    return AuditFilters(
        actor_kind=kind if kind in ("staff", "key", "system") else None,
        actor_id=actor_id,
        action=asked.get("action", "")[:80] or None,
        object_type=asked.get("type", "")[:40] or None,
        object_id=asked.get("object", "").strip()[:64] or None,
        since=start_of(since) if since else None,
        until=end_of(until) if until else None,
        store_id=store.id if store else None,
        covered=_covered(request),
    ), problems


def _actor_options() -> list[tuple[str, str]]:
    people = [(f"staff:{each.id}", f"{each.display_name} ({each.username})") for each in queries.list_staff()]
    keys = [(f"key:{key.id}", f"{actor_kind_name('key')}: {key.name}") for key in queries.list_api_keys()]
    return [("", _("Everybody")), *people, *keys, ("system", actor_kind_name("system"))]


def _action_options() -> list[tuple[str, str]]:
    found = queries.list_audit_actions()
    return sorted(
        ((action, action_name(action)) for action in found), key=lambda each: each[0] not in ACTIONS
    )


def _row(event: AuditEvent, names: dict[UUID, str]) -> Row:
    return Row(
        event=event,
        action=action_name(event.action),
        kind=actor_kind_name(event.actor_kind),
        thing=object_name(event.object_type),
        thing_href=_address(event),
        store=names.get(event.store_id, "") if event.store_id else "",
    )


_PAGES = {"staff": "staff_account", "api_key": "api_key", "product": "product", "store": "store"}


def _address(event: AuditEvent) -> str:
    """Where the thing itself is shown; "" when the console has no page for it. That page checks its own permission."""
    route = _PAGES.get(event.object_type)
    try:
        return reverse(f"console:{route}", args=[UUID(event.object_id)]) if route else ""
    except ValueError:
        return ""


def _lines(data: Any, names: dict[UUID, str]) -> Iterator[tuple[str, str, str | None]]:
    """The data of a row as (key, value, new value); the latter where before and after were written down."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if key == "changed" and isinstance(value, dict):
            yield from ((str(name), _text(new, names), None) for name, new in value.items())
        elif isinstance(value, list) and len(value) == 2 and key not in ("store_ids", "scopes"):
            yield str(key), _text(value[0], names), _text(value[1], names)
        else:
            yield str(key), _text(value, names), None


def _text(value: Any, names: dict[UUID, str]) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each, names) for each in value) or "–"
    if isinstance(value, str):
        try:
            return names.get(UUID(value), value) or "–"
        except ValueError:
            return value or "–"
    return json.dumps(value, ensure_ascii=False)
