"""Paid plans: sold, tried, given, renewed, upgraded and refunded; each with its history and its money."""
