"""Print layouts and their export."""
