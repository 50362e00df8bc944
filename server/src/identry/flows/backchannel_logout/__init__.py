"""backchannel_logout: applications hear that a grant of theirs has ended (OpenID Connect Back-Channel Logout 1.0).

Owns no route; a task of every replica. Tables: `logout_notices`, which are written with the end of a session
(`records/sessions.py`).
Never: keeps anybody waiting who signs out; asks an address in a private network, unless the operator lists that.
"""
