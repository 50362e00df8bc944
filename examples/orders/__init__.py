"""A service that keeps orders, without its web framework: `settings` → `parts` → whatever skin one likes."""
