"""Trouble that a person at the command line can act on."""

from __future__ import annotations


class SafeStatsError(Exception):
    """One sentence: what is wrong, where, what to do. The command line prints it and ends with status 1."""
