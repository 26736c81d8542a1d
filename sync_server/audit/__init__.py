"""The append-only record of every use."""
