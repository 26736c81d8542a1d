"""The spatial seam: what differs between SpatiaLite and PostGIS."""
