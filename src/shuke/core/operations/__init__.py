"""The only writers of the core, one function per use case."""

from shuke.core.operations.audit import record_audit, seal_audit
from shuke.core.operations.events import NewEvent, publish_event, publish_events, purge_events
from shuke.core.operations.keys import create_api_key, revoke_api_key
from shuke.core.operations.proof import prove_audit
from shuke.core.operations.staff import (
    change_staff,
    create_staff,
    deactivate_staff,
    reactivate_staff,
    set_language,
    set_password,
    unlock_staff,
)
from shuke.core.operations.txids import align_txids

__all__ = [
    "NewEvent",
    "align_txids",
    "change_staff",
    "create_api_key",
    "create_staff",
    "deactivate_staff",
    "prove_audit",
    "publish_event",
    "publish_events",
    "purge_events",
    "reactivate_staff",
    "record_audit",
    "revoke_api_key",
    "seal_audit",
    "set_language",
    "set_password",
    "unlock_staff",
]
