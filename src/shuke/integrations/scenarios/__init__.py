"""The conformance kit: scenarios in YAML, run against the real operations in a throw-away database.

A shop owner states what the programme shall do, a POS vendor proves that the till asks for the right thing, and a developer
pins a rule down, all in the same words. `document` reads files, `world` and `steps` act, `figures` looks, `compare` tells
what differs, `runner` rolls everything back.
"""
