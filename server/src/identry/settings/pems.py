"""RSA keys as the environment holds them: PEM text, checked while it is read.

Each function raises ValueError with what is wrong; no message shows a piece of the key.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from identry.settings.values import Secret


def _pem(text: str) -> bytes:
    r"""The PEM text with the damage undone that `docker run --env-file` and friends do: quotes kept, `\n` as text."""
    plain = text.strip().strip("\"'").replace("\\n", "\n").replace("\r\n", "\n").strip()
    if "$(" in plain or "`" in plain:
        raise ValueError("holds a shell command: the file is data, paste the key itself")
    if not plain.startswith("-----BEGIN "):
        raise ValueError("does not start with -----BEGIN")
    return plain.encode() + b"\n"


def private_pem(text: str) -> Secret:
    r"""An RSA private key of at least 2048 bits as PEM (PKCS#8 or PKCS#1), line breaks real or as `\n`."""
    pem = _pem(text)
    if b"PUBLIC KEY" in pem:
        raise ValueError("is a public key; the private one signs")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("is encrypted with a passphrase") from None
    except Exception:  # the library raises ValueError, kinds of its own and those of OpenSSL; none may show the key
        raise ValueError("is not a readable private key (a line is missing or damaged)") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("is not an RSA key")
    if key.key_size < 2048:
        raise ValueError(f"has {key.key_size} bits, fewer than 2048")
    return Secret(pem.decode())


def public_pem(text: str) -> str:
    """An RSA public key as PEM."""
    pem = _pem(text)
    if b"PRIVATE KEY" in pem:
        raise ValueError("is a private key; it belongs into JWT_SIGNING_KEY_PEM only")
    try:
        key = load_pem_public_key(pem)
    except Exception:  # as above
        raise ValueError("is not a readable public key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("is not an RSA key")
    return pem.decode()
