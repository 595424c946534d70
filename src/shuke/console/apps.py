from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "shuke.console"
    label = "console"
