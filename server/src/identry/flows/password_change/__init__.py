"""password_change: who knows the current password sets another.

Owns: POST /api/v1/auth/password/change, POST /api/admin/change-password. Tables: none (`users` belongs to its record).
Never: leaves another session alive, or lets a stolen session guess the password.
"""
