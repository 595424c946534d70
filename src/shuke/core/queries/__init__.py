"""What others read of the core."""

from shuke.core.queries.audit import (
    AuditFilters,
    AuditPage,
    SealState,
    get_audit,
    list_audit,
    list_audit_actions,
    seal_of,
    seal_state,
)
from shuke.core.queries.keys import KeyCaller, authenticate_key, forget_keys, list_api_keys
from shuke.core.queries.staff import get_staff, list_staff
from shuke.core.queries.verification import Difference, VerifyResult, verify_audit

__all__ = [
    "AuditFilters",
    "AuditPage",
    "Difference",
    "KeyCaller",
    "SealState",
    "VerifyResult",
    "authenticate_key",
    "forget_keys",
    "get_audit",
    "get_staff",
    "list_api_keys",
    "list_audit",
    "list_audit_actions",
    "list_staff",
    "seal_of",
    "seal_state",
    "verify_audit",
]
