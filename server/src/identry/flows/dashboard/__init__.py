"""dashboard: the platform in figures, for its administrators' first page.

Owns: GET /api/admin/dashboard/stats, /activity, /login-trends, /app-usage and /health. Tables: none (counts what others
own). Never: counts without an end (what is more than `queries.MOST` counts as that many); keeps a figure.
"""
