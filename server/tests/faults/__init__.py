"""Tools that break the connections between Identry and what it needs."""
