"""Suppliers' files made into incidents."""
