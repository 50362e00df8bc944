"""The orders service in FastAPI."""
