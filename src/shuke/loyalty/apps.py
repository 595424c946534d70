from django.apps import AppConfig


class LoyaltyConfig(AppConfig):
    name = "shuke.loyalty"
    label = "loyalty"

    def ready(self) -> None:
        from shuke.kit.errors import tell_param
        from shuke.loyalty.cautions import register_check
        from shuke.loyalty.coupon_cautions import unknown_goods
        from shuke.loyalty.refused_assets import told_asset
        from shuke.loyalty.removal_cautions import taken_off_sale
        from shuke.loyalty.tender_cautions import kept_bonus

        register_check("loyalty.coupon_goods", unknown_goods)
        register_check("loyalty.kept_bonus", kept_bonus)
        register_check("loyalty.taken_off_sale", taken_off_sale)
        tell_param("asset", told_asset)
