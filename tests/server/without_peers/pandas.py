"""Not of the server: as if it were not installed."""

raise ImportError("A server has no pandas.")
