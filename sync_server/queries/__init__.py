"""Questions that analysts keep and share within their organisation: what is asked, never what was answered."""
