"""Tests of the server: through HTTP and, for the mechanisms in core, directly."""
