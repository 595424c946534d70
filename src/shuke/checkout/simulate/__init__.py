"""The simulator: the real sales of a period, once more, under a draft and under the programme that stands.

Read `values` (what a replay takes), `book` (one member under one programme), `tally` (what is counted), `reading`
(where it comes from), `operations` (one run from end to end).
"""
