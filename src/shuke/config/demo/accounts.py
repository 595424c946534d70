"""Accounts for every role and an API key, so that each screen can be tried as the person it is made for."""

from __future__ import annotations

import os
import secrets
import string
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Count

from shuke.checkout.models import Order
from shuke.core.models import ApiKey, Staff
from shuke.core.operations import create_api_key, create_staff
from shuke.core.values import SYSTEM, Role, Scope

FILE = "demo-accounts.txt"
KEY_NAME = "demo"
_LETTERS = "".join(set(string.ascii_letters + string.digits) - set("0OoIl1"))
_NAMES = {
    Role.OWNER: "沈知远",
    Role.ADMIN: "顾清和",
    Role.STORE_MANAGER: "陆文静",
    Role.CASHIER: "林小满",
    Role.MARKETER: "宋以宁",
    Role.ANALYST: "程思远",
    Role.SERVICE_AGENT: "许佳音",
    Role.AUDITOR: "严正明",
}


def create_accounts(*, now: datetime, secrets_dir: Path) -> list[str]:
    """Create what is missing and return the lines to print, which are kept in a file that only its owner can read.

    The store manager gets the two busiest stores, the cashier the busiest one. Empty when all accounts exist.
    """
    path = secrets_dir / FILE
    busiest = list(
        Order.objects.values_list("store_id", flat=True)
        .annotate(n=Count("id"))
        .order_by("-n", "store_id")[:2]
    )
    lines: list[str] = []
    with transaction.atomic():
        for role, name in _NAMES.items():
            if Staff.objects.filter(username=role.value).exists():
                continue
            password = "".join(secrets.choice(_LETTERS) for _ in range(14))
            stores = {Role.STORE_MANAGER: busiest, Role.CASHIER: busiest[:1]}.get(role)
            create_staff(
                actor=SYSTEM,
                now=now,
                username=role.value,
                display_name=name,
                role=role,
                password=password,
                all_stores=not stores,
                store_ids=stores or (),
            )
            lines.append(f"{role.value:14} {password}   {name}")
        if not ApiKey.objects.filter(name=KEY_NAME, revoked_at=None).exists():
            _key, secret = create_api_key(
                actor=SYSTEM, now=now, name=KEY_NAME, scopes=list(Scope), all_stores=True
            )
            lines.append(f"{'API key':14} {secret}")
        if lines:
            _keep(path, lines)
    return [*lines, f"Kept in {path}, for your eyes only."] if lines else []


def kept_accounts(secrets_dir: Path) -> str:
    """What the file says, to be printed once more beside the address; empty without it."""
    path = secrets_dir / FILE
    return f"{path.read_text(encoding='utf-8')}Kept in {path}." if path.exists() else ""


def _keep(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("\n".join(lines) + "\n")
