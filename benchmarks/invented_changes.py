"""How much changes between two invented releases: also for the desk's processes, which lack the server's packages."""

# As in many a monthly delivery: 22,000 rows in all.
UPDATED = 10_000
MOVED = 1_000  # of the updated ones
ADDED = 10_000
WITHDRAWN = 2_000
CHANGED = UPDATED + ADDED + WITHDRAWN
