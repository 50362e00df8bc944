"""The real servers that the tests talk to, each a private instance on loopback. Nothing here needs root."""
