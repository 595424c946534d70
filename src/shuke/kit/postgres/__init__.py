"""The embedded PostgreSQL server: where its binaries are, how it is started safely, and how to reach it."""
