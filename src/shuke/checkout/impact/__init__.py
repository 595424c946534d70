"""The impact of a draft on the members as they stand now: who goes up, who goes down, what a month would cost.

Read `logic` (one member on one track, and the report), `reading` (where it comes from), `operations` (from end to end), `runs`
(the same as a job, for a large book), `warnings` (what publishing asks of it). The simulator beside it replays a past period;
this looks at today's members and changes none.
"""
