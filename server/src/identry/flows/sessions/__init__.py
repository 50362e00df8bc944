"""sessions: a person sees where they are signed in, and ends what they do not know.

Owns: GET /api/v1/auth/sessions, DELETE /api/v1/auth/sessions/{id}; the page /account/sessions.
Never: shows or ends a session of somebody else, or shows a token.
"""
