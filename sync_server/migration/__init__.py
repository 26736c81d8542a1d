"""Moves the back-catalogue of a former portal in: incidents, organisations, people, agreements; and compares."""
