from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "shuke.checkout"
    label = "checkout"
