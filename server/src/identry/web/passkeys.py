"""How passkeys look on the wire: the JSON forms of WebAuthn Level 3, and the row that a person sees."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec

from identry.core.base64url import decoded, encoded
from identry.records.passkeys import Passkey
from identry.web.errors import InvalidRequest

Encoded = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_\-]+$(?!\n)", description="base64url without padding")]
CredentialId = Annotated[Encoded, msgspec.Meta(max_length=1364, examples=["kXqP3Y1gTn2s0fVd9bJHtA"])]


class PasskeyRef(msgspec.Struct, frozen=True):
    """`PublicKeyCredentialDescriptorJSON`: one key, and how its authenticator may be reached."""

    id: str
    transports: list[str]
    type: Literal["public-key"] = "public-key"

    @classmethod
    def of(cls, passkey: Passkey) -> Self:
        """The key of a passkey."""
        return cls(encoded(passkey.credential_id), passkey.transports)


class PasskeyView(msgspec.Struct, frozen=True):
    """A passkey as its owner sees it.

    `synced` says whether it may be copied to the owner's other devices, `backed_up` whether it was at its last use.
    """

    id: UUID
    name: str
    credential_id: str
    aaguid: UUID
    transports: list[str]
    synced: bool
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> Self:
        """The view of a row."""
        return cls(
            passkey.id,
            passkey.name,
            encoded(passkey.credential_id),
            passkey.aaguid,
            passkey.transports,
            passkey.backup_eligible,
            passkey.backed_up,
            passkey.created_at,
            passkey.last_used_at,
        )


def bytes_of(field: str, text: str) -> bytes:
    """What a field holds.

    Raises:
        InvalidRequest: it is no base64url, or not in its one spelling.
    """
    try:
        return decoded(text)
    except ValueError:
        raise InvalidRequest.field(field, "format", "must be base64url without padding") from None
