"""The relying party: whether what an authenticator answered is genuine, and an answer to what we asked.

Source: WebAuthn Level 3 §7.1 (registration), §7.2 (authentication). The `webauthn` library reads and verifies; added
here is what it leaves out: a page inside a foreign page, an id that is not the key's, keys and statements that nobody
needs, backup flags that changed. Whatever goes wrong inside is a refusal (SECURITY §1.5).

The library is loaded when the first answer comes (`RelyingParty.ready`): it is a tenth of a start and of a worker's
memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from identry.core.base64url import decoded, encoded
from identry.core.late import Late

ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA, RS256 (IANA COSE Algorithms): every authenticator has one of them."""
MAX_CREDENTIAL_ID = 1023
"""Bytes (WebAuthn Level 3 §7.1 step 24)."""
# We ask for no attestation; a client that follows the standard then sends one of these (§5.4.7).
_STATEMENTS = ("none", "packed")
_MAX_KEY = 1024


class PasskeyError(ValueError):
    """What an authenticator answered is refused; the message says why, in words of ours, for the audit log."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What `navigator.credentials.create()` gave: a new key.

    Attributes:
        credential_id: as the client names it.
        client_data: JSON, as the client hashed it.
        attestation: CBOR.
        transports: how the authenticator may be reached.
    """

    credential_id: bytes
    client_data: bytes
    attestation: bytes
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assertion:
    """What `navigator.credentials.get()` gave: a signature.

    Attributes:
        credential_id: which key signed.
        client_data: JSON, as the client hashed it.
        authenticator_data: what was signed, with the hash of the client data.
        signature: under the key.
        user_handle: whom the authenticator takes the person for, if it says so.
    """

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it was registered."""

    public_key: bytes
    sign_count: int
    aaguid: UUID
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Use:
    """A signature that is right: what the authenticator said along with it."""

    sign_count: int
    backed_up: bool


class _ClientData(msgspec.Struct, rename="camel"):
    type: str
    challenge: str
    origin: str
    cross_origin: bool = False
    top_origin: str | None = None


class RelyingParty:
    """The deployment, as authenticators know it.

    Attributes:
        id: the domain that keys are bound to.

    Args:
        origins: of the pages that may use them.
    """

    def __init__(self, id: str, origins: Iterable[str]) -> None:  # noqa: A002 - the standard's name
        self.id = id
        self._origins = list(origins)
        self.ready = Late(_load)
        """To be awaited before an answer is looked at."""

    def registered(self, answer: Attestation, challenge: str) -> NewKey:
        """The key of an answer to `challenge`; its user was verified.

        Raises:
            PasskeyError: it is not what was asked for, or not from here.
        """
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_attestation_object
        from webauthn.helpers.cose import COSEAlgorithmIdentifier
        from webauthn.helpers.structs import AuthenticatorAttestationResponse, RegistrationCredential

        self._check_page(answer.client_data, "webauthn.create", challenge)
        try:
            statement = parse_attestation_object(answer.attestation)
        except Exception as error:  # CBOR of strangers raises anything at all in the library: a refusal (§1.6)
            raise PasskeyError("unreadable attestation") from error
        if statement.fmt not in _STATEMENTS:
            raise PasskeyError("a kind of attestation that was not asked for")
        held = statement.auth_data.attested_credential_data
        if held is None or held.credential_id != answer.credential_id:
            raise PasskeyError("the key has another id")
        _check_key(held.credential_public_key)
        try:
            verified = verify_registration_response(
                credential=RegistrationCredential(
                    id=encoded(answer.credential_id),
                    raw_id=answer.credential_id,
                    response=AuthenticatorAttestationResponse(answer.client_data, answer.attestation),
                ),
                expected_challenge=decoded(challenge),
                expected_rp_id=self.id,
                expected_origin=self._origins,
                require_user_verification=True,
                supported_pub_key_algs=list(map(COSEAlgorithmIdentifier, ALGORITHMS)),
            )
        except Exception as error:  # as above
            raise PasskeyError(f"not genuine ({type(error).__name__})") from error
        flags = statement.auth_data.flags
        return NewKey(verified.credential_public_key, verified.sign_count, UUID(verified.aaguid), flags.be, flags.bs)

    def used(self, answer: Assertion, challenge: str, public_key: bytes, *, backup_eligible: bool) -> Use:
        """What the authenticator said in an answer to `challenge` that `public_key` signed; its user was verified.

        The counter is not compared: the caller does so in the write that stores it.

        Raises:
            PasskeyError: another key signed it, it is not what was asked for, or not from here.
        """
        from webauthn import verify_authentication_response
        from webauthn.helpers.parse_authenticator_data import parse_authenticator_data
        from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse

        self._check_page(answer.client_data, "webauthn.get", challenge)
        try:
            verified = verify_authentication_response(
                credential=AuthenticationCredential(
                    id=encoded(answer.credential_id),
                    raw_id=answer.credential_id,
                    response=AuthenticatorAssertionResponse(
                        answer.client_data, answer.authenticator_data, answer.signature, answer.user_handle
                    ),
                ),
                expected_challenge=decoded(challenge),
                expected_rp_id=self.id,
                expected_origin=self._origins,
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
            flags = parse_authenticator_data(answer.authenticator_data).flags
        except Exception as error:  # as above
            raise PasskeyError(f"not genuine ({type(error).__name__})") from error
        if flags.be != backup_eligible:
            raise PasskeyError("the key changed whether it may be copied")
        return Use(verified.new_sign_count, verified.credential_backed_up)

    def _check_page(self, client_data: bytes, kind: str, challenge: str) -> None:
        """Which page asked the authenticator, for what, with which challenge (§7.1 steps 7–11, §7.2 steps 11–14)."""
        data = _read(client_data)
        if data.type != kind:
            raise PasskeyError("an answer of another kind")
        if data.challenge != challenge:
            raise PasskeyError("an answer to another challenge")
        if data.origin not in self._origins:
            raise PasskeyError("of another origin")
        if data.cross_origin or data.top_origin is not None:
            raise PasskeyError("of a page inside another page")


def _load() -> None:
    import webauthn  # noqa: F401 - whoever imports it later finds it loaded


def challenge_in(client_data: bytes) -> str:
    """The challenge that an answer says it answers, as it was given out.

    Raises:
        PasskeyError: it names none.
    """
    return _read(client_data).challenge


def _read(client_data: bytes) -> _ClientData:
    try:
        return msgspec.json.decode(client_data, type=_ClientData)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PasskeyError("unreadable client data") from error


def _check_key(key: bytes) -> None:
    """Only keys of the three algorithms, each as it is meant: the library would store what it can never verify."""
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

    if len(key) > _MAX_KEY:
        raise PasskeyError("a key of no use")
    try:
        parsed = decode_credential_public_key(key)
        public = decoded_public_key_to_cryptography(parsed)
    except Exception as error:  # as above
        raise PasskeyError("unreadable key") from error
    match public:
        case EllipticCurvePublicKey():
            fits = parsed.alg == ALGORITHMS[0] and isinstance(public.curve, SECP256R1)
        case Ed25519PublicKey():
            fits = parsed.alg == ALGORITHMS[1]
        case RSAPublicKey():
            exponent = public.public_numbers().e
            fits = parsed.alg == ALGORITHMS[2] and 2048 <= public.key_size <= 4096 and exponent == 65537
        case _:
            fits = False
    if not fits:
        raise PasskeyError("a key of another algorithm")
