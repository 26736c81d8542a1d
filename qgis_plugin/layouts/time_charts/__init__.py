"""Charts of when incidents happened."""
