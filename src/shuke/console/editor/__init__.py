"""The editor of the programme: forms made from what the readers say they take, so that every section has one.

Read `tree` (a source as plain values, and back), `fields` (what a section's form shows), `posted` (what came back), `words`.
"""
