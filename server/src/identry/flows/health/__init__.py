"""health: is the process up, and can it serve?

Owns: GET /health, GET /ready.
Never: touches anything for /health; waits longer than two seconds for a check of /ready.
"""
