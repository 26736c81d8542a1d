"""How a place compares with every postcode of its borough: counted when a release shows, and kept with it."""
