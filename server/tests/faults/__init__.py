"""Engines that break and servers that die, under people at work."""

ROOM = 3.0
"""The short forms run anywhere, beside anything: they allow so many times the seconds that are promised for a machine
with nothing else to do. The long forms hold the promise itself."""
