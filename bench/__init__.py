"""Measures Identry beside its limits: `python -m bench` (or `make bench`).

Each figure stands beside a limit measured in the same run, by the same driver, under the same web server with as many
workers; rounds of both alternate (A B A B …), the medians are compared. Nothing here asserts anything.

    world.py     the engines, the accounts and the tokens that a load needs
    seed.py      users and sessions in any number, over three months: `python -m bench.seed`
    limits.py    the bare endpoints: what the same stack does when it does nothing else
    provider_limits.py, applications.py   those beside the provider; its clients, grants and codes
    server.py    Identry and the bare endpoints as processes
    drive.py     load: wrk when there is one, else a driver of our own
    kit_*.py     the kit's parts, each a command of its own: verify auth stack service caches
    figures/     what is measured
    table.py     the result
"""
