"""The reward catalogue: what points, and sometimes a little money, are exchanged for.

Read `values → operations → queries` first. The programme above compiles its `rewards` into `Offer`s; this package knows
nothing else of it.
"""
