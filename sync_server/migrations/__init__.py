"""Alembic migrations of the tables that every installation has."""
