"""Desk logic without widgets."""
