"""The shapes of the API. Requests forbid what they do not name; answers describe what the rooms return."""
