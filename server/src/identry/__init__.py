"""Identry, the server: one place for identity, sessions, tokens, memberships, invitations and audit."""

__version__ = "0.1.0"
