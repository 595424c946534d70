"""The core's jobs: seal the audit log, forget what is no longer needed."""

from __future__ import annotations

from datetime import timedelta

from shuke.core.idempotency import ANSWERS_KEPT, purge_answers
from shuke.core.operations import purge_events, seal_audit
from shuke.kit import jobs
from shuke.kit.clock import now

EVENTS_KEPT = timedelta(days=30)
LOGIN_ATTEMPTS_KEPT_DAYS = 30


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="core.seal_audit", lock="core.seal_audit", retries=3)
def seal_waiting_rows() -> None:
    """Seal until nothing is waiting."""
    while seal_audit(now=now()) is not None:
        pass


@jobs.periodic(cron="41 3 * * *")
@jobs.task(name="core.purge_answers", lock="core.purge_answers", retries=3)
def purge_old_answers() -> None:
    """Idempotency keys are remembered for a week."""
    purge_answers(now() - ANSWERS_KEPT)


@jobs.periodic(cron="47 3 * * *")
@jobs.task(name="core.purge_events", lock="core.purge_events", retries=3)
def purge_read_events() -> None:
    """Facts stay in the outbox for a month after everybody has read them."""
    purge_events(older_than=now() - EVENTS_KEPT)


@jobs.periodic(cron="53 3 * * *")
@jobs.task(name="core.purge_logins", lock="core.purge_logins", retries=3)
def purge_login_attempts() -> None:
    """Addresses and names of login attempts are kept for a month, ended sessions not at all."""
    from axes.models import AccessAttempt, AccessLog
    from django.contrib.sessions.models import Session

    before = now() - timedelta(days=LOGIN_ATTEMPTS_KEPT_DAYS)
    AccessAttempt.objects.filter(attempt_time__lt=before).delete()
    AccessLog.objects.filter(attempt_time__lt=before).delete()
    Session.objects.filter(expire_date__lt=now()).delete()
