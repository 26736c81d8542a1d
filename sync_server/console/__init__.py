"""The console: pages for everybody who is invited, by role."""
