from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "shuke.api"
    label = "api"
