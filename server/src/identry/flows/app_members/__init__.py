"""app_members: who uses an application, and as what; managed by its administrators and by the application itself.

Owns: /api/apps/{id}/users…, /api/apps/{id}/service/users…. Tables: app_members.
Never: makes a platform administrator a member, changes an address or a password, tells one application about another.
"""
