"""identry-kit: what every service behind Identry installs.

Each package stands alone; only `context` and `apierror` are shared by the others.
"""
