"""How an organisation's pages look, and the base map that it offers its people."""
