from django.apps import AppConfig


class RewardsConfig(AppConfig):
    name = "shuke.rewards"
    label = "rewards"
