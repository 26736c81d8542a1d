"""The vault: the SafeStats sync server."""
