"""Mails that the server sends."""
