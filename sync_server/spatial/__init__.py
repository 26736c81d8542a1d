"""The spatial seam: one protocol, two engines."""
