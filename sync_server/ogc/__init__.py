"""Online questions as an OGC API."""
