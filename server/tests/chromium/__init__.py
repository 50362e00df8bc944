"""A real browser at a small single-page app: what only a browser can tell about cookies, CORS, tabs and reloads.

`devtools.py` drives Chromium, `program.py` finds and starts it, `page/` is the app, `world.py` puts app and API on
ports of their own. A test asks for `world` and opens a `visitor`: a browser profile of its own, with tabs.
"""
