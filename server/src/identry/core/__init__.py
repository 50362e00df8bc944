"""What the house stands on: engines (db, kv, mail), mechanisms (passwords, jose, secrets, limits) and the clock.

The only layer that imports drivers. It knows nothing of users, sessions or HTTP.
"""
