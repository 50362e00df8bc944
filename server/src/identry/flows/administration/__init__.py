"""administration: where somebody looks who asks for the administration of this server.

Owns: the page /admin. Tables: none.
Never: administers anything; that is the work of the API and of the command line.
"""
