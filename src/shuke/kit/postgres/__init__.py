"""The embedded PostgreSQL server: started safely from a wheel's programs, shared, never orphaned.

`ensure_running` is all that most callers need.
"""

from __future__ import annotations

from shuke.kit.postgres.errors import PostgresProblem
from shuke.kit.postgres.launcher import Server, Status, ensure_running, release, status, stop

__all__ = ["PostgresProblem", "Server", "Status", "ensure_running", "release", "status", "stop"]
