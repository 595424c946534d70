from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "shuke.ledger"
    label = "ledger"
