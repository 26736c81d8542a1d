"""Releases, and the files that clients pull."""
