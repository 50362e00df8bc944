"""The relying party alone: of a right answer every changed bit is refused, of nonsense comes a refusal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from authenticator import APP, RP_ID, Device, client_data, unb64
from hypothesis import given
from hypothesis import strategies as st
from rows import every

from identry.core.base64url import encoded
from identry.core.passkeys import Assertion, Attestation, PasskeyError, RelyingParty, challenge_in

PARTY = RelyingParty(RP_ID, [APP])
CHALLENGE = encoded(bytes(range(32)))
ALGORITHMS = ["ES256", "EdDSA", "RS256"]


def attestation(device: Device, **how: Any) -> Attestation:
    made = device.created({"user": {"id": "AAAA"}, "challenge": CHALLENGE}, **how)["response"]
    return Attestation(device.credential_id, unb64(made["clientDataJSON"]), unb64(made["attestationObject"]))


def assertion(device: Device, **how: Any) -> Assertion:
    made = device.signed({"challenge": CHALLENGE}, **how)["response"]
    return Assertion(
        device.credential_id,
        unb64(made["clientDataJSON"]),
        unb64(made["authenticatorData"]),
        unb64(made["signature"]),
    )


def used(device: Device, answer: Assertion) -> Any:
    return PARTY.used(answer, CHALLENGE, cbor2.dumps(device.cose), backup_eligible=device.synced)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_of_a_right_signature_every_changed_bit_is_refused(alg: str) -> None:
    device = Device(alg)
    answer = assertion(device)
    assert used(device, answer).backed_up
    for part in ("client_data", "authenticator_data", "signature"):
        whole = getattr(answer, part)
        for bit in range(len(whole) * 8):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(PasskeyError):
                used(device, replace(answer, **{part: bytes(changed)}))


@pytest.mark.parametrize("part", ["client_data", "authenticator_data", "signature"])
def test_a_signature_that_is_cut_or_longer_is_refused(part: str) -> None:
    device = Device()
    answer = assertion(device)
    whole = getattr(answer, part)
    for changed in (whole[:-1], whole[1:], whole + b"\0", b"", whole * 2):
        with pytest.raises(PasskeyError):
            used(device, replace(answer, **{part: changed}))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_that_was_registered_verifies_its_signatures_and_no_others(alg: str) -> None:
    device = Device(alg, synced=False)
    key = PARTY.registered(attestation(device), CHALLENGE)
    assert (key.backup_eligible, key.backed_up, key.sign_count) == (False, False, 0)
    answer = assertion(device, count=5)
    assert PARTY.used(answer, CHALLENGE, key.public_key, backup_eligible=False).sign_count == 5
    with pytest.raises(PasskeyError):
        PARTY.used(answer, CHALLENGE, cbor2.dumps(Device("EdDSA").cose), backup_eligible=False)


def test_an_attestation_by_the_key_itself_is_taken() -> None:
    device = Device()
    answer = attestation(device)
    data = cbor2.loads(answer.attestation)["authData"]
    signature = device.sign(data + hashlib.sha256(answer.client_data).digest())
    statement = {"fmt": "packed", "attStmt": {"alg": -7, "sig": signature}, "authData": data}
    assert PARTY.registered(replace(answer, attestation=cbor2.dumps(statement)), CHALLENGE).sign_count == 0


@given(st.binary(max_size=300))
def test_of_nonsense_comes_a_refusal(nonsense: bytes) -> None:
    device = Device()
    for call in (
        lambda: PARTY.registered(Attestation(b"x", nonsense, nonsense), CHALLENGE),
        lambda: PARTY.registered(replace(attestation(device), attestation=nonsense), CHALLENGE),
        lambda: used(device, replace(assertion(device), authenticator_data=nonsense)),
        lambda: PARTY.used(assertion(device), CHALLENGE, nonsense, backup_eligible=True),
    ):
        with pytest.raises(PasskeyError):
            call()


@given(st.data())
def test_an_attestation_with_changed_bytes_is_refused_or_another_key(data: Any) -> None:
    """Nothing signs an attestation of kind `none`: a changed key is a key that its owner cannot use, no more."""
    device = Device("EdDSA")
    answer = attestation(device)
    changed = bytearray(answer.attestation)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        key = PARTY.registered(replace(answer, attestation=bytes(changed)), CHALLENGE)
    except PasskeyError:
        return
    if key.public_key != cbor2.dumps(device.cose):
        with pytest.raises(PasskeyError):
            PARTY.used(assertion(device), CHALLENGE, key.public_key, backup_eligible=key.backup_eligible)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers() | st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_other_cbor_is_a_key(value: Any) -> None:
    with pytest.raises(PasskeyError):
        PARTY.registered(attestation(Device(), cose=cbor2.dumps(value)), CHALLENGE)


@every("more", [{"crossOrigin": 1}, {"crossOrigin": "no"}, {"topOrigin": 5}, {"type": None}])
def test_client_data_of_other_types_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(PasskeyError):
        challenge_in(client_data("get", CHALLENGE, **more))


def test_further_members_of_client_data_are_ignored() -> None:
    """As the standard asks (§5.8.1): clients add members, and one on purpose against template parsers."""
    data = json.loads(client_data("get", CHALLENGE)) | {"new_keys_may_be_added_here": "do not compare clientDataJSON"}
    assert challenge_in(json.dumps(data).encode()) == CHALLENGE
