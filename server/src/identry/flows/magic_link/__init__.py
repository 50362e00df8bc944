"""magic_link: a link is mailed that signs somebody in, once: at an application that asks for it, or on our own pages.

Owns: POST /api/apps/{id}/service/magic-link, POST /api/auth/magic-link/verify; the pages /login/link, …/sent, …/open.
Tables: none.
Never: tells anybody who has an account, skips a second factor, or signs in by GET.
"""
