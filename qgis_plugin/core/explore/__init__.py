"""Counting a local copy by area, category and month; what is asked can be kept, and the answer exported."""
