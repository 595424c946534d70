"""What others read of the core."""

from shuke.core.queries.audit import AuditFilters, AuditPage, list_audit
from shuke.core.queries.keys import KeyCaller, authenticate_key, list_api_keys
from shuke.core.queries.staff import get_staff, list_staff
from shuke.core.queries.verification import Difference, VerifyResult, verify_audit

__all__ = [
    "AuditFilters",
    "AuditPage",
    "Difference",
    "KeyCaller",
    "VerifyResult",
    "authenticate_key",
    "get_staff",
    "list_api_keys",
    "list_audit",
    "list_staff",
    "verify_audit",
]
