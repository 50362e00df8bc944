"""reference: the API described, for people and for generators.

Owns: GET /openapi.json, GET /docs and the files of that page (`pages/`, vendored, nothing is loaded from elsewhere).
Never: describes what is not mounted, calls out, stores a token in the browser.
"""
