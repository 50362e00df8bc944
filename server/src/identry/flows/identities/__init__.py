"""identities: who the caller is elsewhere: shown, linked, removed.

Owns: /api/v1/auth/identities. Tables: none (`identities` belongs to its record).
Never: links without both proofs (a recent sign-in here, one at the provider), takes away the last way to sign in.
"""
