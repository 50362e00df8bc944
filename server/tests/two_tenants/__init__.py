"""Two tenants and every operation of the browser surface, asked by people of both with real sessions: nothing crosses.

`sides.py` makes the two and reads back what each of them owns, `requests.py` makes a request of any operation, naming
things of both. A route that is new joins by itself; one that nobody can make a request of fails the run.
"""
