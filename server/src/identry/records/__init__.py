"""The nouns: each module is one frozen dataclass, the SQL that reads and writes its table, and its invariants.

A record writes only its own table; no record imports another (their SQL may join).
"""
