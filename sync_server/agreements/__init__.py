"""Who may see what, why, and until when: every read of incidents goes through here."""
