from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "shuke.catalog"
    label = "catalog"
