"""The keyset of this house: the file outside the database that every encrypted value depends on."""

from __future__ import annotations

from django.conf import settings

from shuke.kit.crypto import Keyset, keyset_at


class KeysetMissing(RuntimeError):
    """The file is not there. It is never made anew here: values encrypted under the lost one would stay
    unreadable.
    """


def keyset() -> Keyset:
    """The keyset, read once per process. Raises KeysetMissing with the way out."""
    path = settings.ENV.keyset_path
    try:
        return keyset_at(path)
    except FileNotFoundError as error:
        raise KeysetMissing(
            f"The keyset {path} is missing. Restore the secrets folder from its backup, "
            "or point SHUKE_SECRETS to it. "
            "A new house gets one when it starts for the first time."
        ) from error
