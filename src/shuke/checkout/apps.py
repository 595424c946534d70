from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "shuke.checkout"
    label = "checkout"

    def ready(self) -> None:
        from shuke.checkout.impact.warnings import tiers_taken
        from shuke.loyalty.cautions import register_check

        register_check("checkout.tiers_taken", tiers_taken)
