"""Taking incidents out for good: recall, withdrawal, retention."""
