"""All of `shuke programme`: the commands of the document, and those that look at sales and members."""

from __future__ import annotations

from shuke.checkout.impact import commands as _impact  # noqa: F401  registers its command
from shuke.checkout.simulate import commands as _simulate  # noqa: F401  registers its command
from shuke.loyalty.commands import app as app
