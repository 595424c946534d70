"""Jobs of the member file."""

from __future__ import annotations

from datetime import timedelta

from shuke.kit import clock, jobs
from shuke.members.models import UsedQrCode
from shuke.members.operations import rewrap_keys

KEEP_USED_CODES = timedelta(days=1)


@jobs.task(name="members.rewrap_keys", lock="members.rewrap_keys", retries=5)
def rewrap_all_keys() -> None:
    """Renew every data key batch by batch; a new run goes on where a stopped one left off."""
    while rewrap_keys():
        pass


@jobs.periodic(cron="23 * * * *")
@jobs.task(name="members.forget_used_codes", lock="members.forget_used_codes")
def forget_used_codes() -> None:
    """Forget member codes that expired long ago by themselves."""
    UsedQrCode.objects.filter(used_at__lt=clock.now() - KEEP_USED_CODES).delete()
