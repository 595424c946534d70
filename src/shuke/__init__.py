"""Shuke 熟客: a membership platform for chains."""
