"""People, organisations, sessions and the conditions of use."""
