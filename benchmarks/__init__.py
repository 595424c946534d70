"""Measurements against a floor in the same run: the machine is shared, so only ratios mean something."""
