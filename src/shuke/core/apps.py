"""The core app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "shuke.core"
    label = "core"

    def ready(self) -> None:
        from shuke.core import subscribers

        subscribers.connect()
