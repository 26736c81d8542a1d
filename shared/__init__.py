"""What the desk and the vault must agree on. Standard library and NumPy only; imports neither side."""
