"""What tells who somebody is stops at the door: looks at suppliers' cells before anything else does."""
