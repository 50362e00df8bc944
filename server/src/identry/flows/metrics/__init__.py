"""metrics: what this process and its engines are doing, as figures.

Owns: the families of the engines (hashing, pool, Redis, mail, keys, marks, process), GET /metrics in development, and
leaving a snapshot for the metrics port of `identry serve`.
Never: on the public port of a production server; a user, an address or a token in a label.
"""
