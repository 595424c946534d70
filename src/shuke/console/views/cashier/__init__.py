"""The cashier's desk: find the member, fill the cart, see the price in words, sell once, print, and refund."""

from shuke.console.views.cashier.desk import (
    add_product,
    change_line,
    clear_cart,
    commit,
    desk,
    drop_exchange,
    find_member,
    pick_member,
    receipt,
    register,
    scan,
    use_coupon,
    use_gift_card,
    use_points,
    use_stored_value,
)
from shuke.console.views.cashier.exchange import exchange
from shuke.console.views.cashier.refund import find_order, refund, void, write_off

__all__ = [
    "add_product",
    "change_line",
    "clear_cart",
    "commit",
    "desk",
    "drop_exchange",
    "exchange",
    "find_member",
    "find_order",
    "pick_member",
    "receipt",
    "refund",
    "register",
    "scan",
    "use_coupon",
    "use_gift_card",
    "use_points",
    "use_stored_value",
    "void",
    "write_off",
]
