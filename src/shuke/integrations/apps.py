from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "shuke.integrations"
    label = "integrations"
