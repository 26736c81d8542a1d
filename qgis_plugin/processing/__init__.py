"""The Processing provider `safestats`."""
