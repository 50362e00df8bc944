"""app_invitation: who was invited to an application chooses a password and is signed in there.

Owns: GET and POST /api/auth/invite. Tables: none (the membership was written with the invitation).
Never: sets the password of an account that somebody uses already, or skips a second factor.
"""
