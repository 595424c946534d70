"""The only writers of the member file, one function per use case."""

from shuke.members.operations.bulk import register_members_in_bulk
from shuke.members.operations.change import (
    add_identifier,
    change_status,
    remove_identifier,
    set_attributes,
    set_tags,
    update_member,
)
from shuke.members.operations.definitions import define_attribute
from shuke.members.operations.keys import rewrap_keys
from shuke.members.operations.register import register_member
from shuke.members.operations.unmask import unmask_profile

__all__ = [
    "add_identifier",
    "change_status",
    "define_attribute",
    "register_member",
    "register_members_in_bulk",
    "remove_identifier",
    "rewrap_keys",
    "set_attributes",
    "set_tags",
    "unmask_profile",
    "update_member",
]
