"""discovery: what a verifier needs to know.

Owns: GET /.well-known/jwks.json (raw, not enveloped). Tables: none (reads the key ring).
Never: publishes a private member, asks the database.
"""
