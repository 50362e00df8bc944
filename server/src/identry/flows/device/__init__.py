"""device: a device without a browser gets tokens while its person agrees elsewhere (RFC 8628).

Owns: POST /oauth/device_authorization; table `device_codes`. The page `/device` is a skin of `service.py`; the device
asks at POST /oauth/token. Never: tells whether a user code is near to one that exists, or asks for no limit.
"""
