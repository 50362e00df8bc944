"""The orders service in Litestar."""
