from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "shuke.members"
    label = "members"
