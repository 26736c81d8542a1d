"""Oversight: reports on the use of the data, made from the audit. They name organisations, never persons."""
