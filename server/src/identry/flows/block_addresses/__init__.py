"""block_addresses: networks from which nobody signs in.

Owns: /api/admin/security/blocked-ips, `identry blocked-ips`. Tables: none (blocked_addresses is the record's).
Never: asks the table for a request (`core.address_gate` is asked); blocks the caller or a proxy of ours.
"""
