"""magic_link: an application has a link mailed that signs one of its members in, once.

Owns: POST /api/apps/{id}/service/magic-link, POST /api/auth/magic-link/verify. Tables: none.
Never: tells the application who has an account, skips a second factor, or signs in by GET.
"""
