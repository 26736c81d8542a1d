"""Seeded, labelled synthetic deliveries in the suppliers' own formats, for demonstrations and tests."""
