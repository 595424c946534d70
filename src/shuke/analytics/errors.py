"""Refusals of the reports."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class NeedsAllStores(ShukeError):
    code, status = "needs_all_stores", 403
    message = _("This report is of the whole business: it needs an account or key that covers all stores.")
