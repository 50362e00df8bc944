"""The verifier: algorithms, memory, revocation, and that two verifiers share nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identry_kit.apierror import ServiceUnavailable
from identry_kit.jwtauth import ANY_AUDIENCE, Claims, InvalidToken, Key, KeysUnavailable, StaticKeys, Verifier

NOW = 1_800_000_000
MakeVerifier = Callable[..., Verifier]


def test_the_claims_are_a_read_only_mapping_with_typed_attributes(signer: Any, verifier: Verifier) -> None:
    claims = verifier.verify_now(
        signer.mint(
            sid="s1", tokenVersion=3, auth_time=NOW, amr=["pwd", "otp"], app_roles={"web": "admin"}, email="a@b.c"
        )
    )
    assert (claims.sub, claims.sid, claims.jti, claims.iss, claims.aud) == (
        "42",
        "s1",
        "token-1",
        "https://auth.example.com",
        ("orders",),
    )
    assert (claims.iat, claims.nbf, claims.exp, claims.kid) == (NOW, NOW, NOW + 900, "rs256")
    assert (claims.token_version, claims.auth_time, claims.amr) == (3, NOW, ("pwd", "otp"))
    assert dict(claims)["email"] == "a@b.c"
    assert "a@b.c" not in repr(claims)
    assert not hasattr(claims["amr"], "append")
    with pytest.raises(TypeError):
        claims["app_roles"]["web"] = "owner"
    with pytest.raises(TypeError):
        claims["sub"] = "1"  # type: ignore[index]


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_each_algorithm_verifies_when_selected_and_only_then(
    signer: Any, make_verifier: MakeVerifier, alg: str
) -> None:
    token = signer.mint({}, alg)
    assert (await make_verifier(algorithms=[alg]).verify(token)).sub == "42"
    with pytest.raises(InvalidToken):
        make_verifier(algorithms=[other for other in ("RS256", "ES256", "EdDSA") if other != alg]).verify_now(token)


def test_rs256_is_the_default(signer: Any, verifier: Verifier) -> None:
    verifier.verify_now(signer.mint())
    with pytest.raises(InvalidToken):
        verifier.verify_now(signer.mint({}, "ES256"))


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["RS256", "none"], ["rs256"]])
def test_other_algorithms_cannot_be_selected(make_verifier: MakeVerifier, algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        make_verifier(algorithms=algorithms)


class TestPolicy:
    def test_the_audience_is_a_mandatory_argument(self) -> None:
        with pytest.raises(TypeError):
            Verifier(StaticKeys(), issuer="x")  # type: ignore[call-arg]

    @pytest.mark.parametrize("audience", ["", [""], ["orders", ""]])
    def test_an_empty_audience_is_a_mistake(self, make_verifier: MakeVerifier, audience: Any) -> None:
        with pytest.raises(ValueError, match="ANY_AUDIENCE"):
            make_verifier(audience=audience)

    @pytest.mark.parametrize(
        ("audience", "claim", "accepted"),
        [
            ("orders", "orders", True),
            (["billing", "orders"], "orders", True),
            (["billing", "orders"], ["x", "billing"], True),
            (["billing"], ["orders"], False),
            ([], "orders", False),
            (ANY_AUDIENCE, "anything", True),
            (ANY_AUDIENCE, ..., True),
            (ANY_AUDIENCE, [], False),
        ],
    )
    def test_audiences(
        self, signer: Any, make_verifier: MakeVerifier, audience: Any, claim: Any, accepted: bool
    ) -> None:
        verifier = make_verifier(audience=audience)
        token = signer.mint(aud=claim)
        if accepted:
            verifier.verify_now(token)
        else:
            with pytest.raises(InvalidToken):
                verifier.verify_now(token)

    def test_an_empty_issuer_is_not_enforced_and_warned_of(
        self, signer: Any, make_verifier: MakeVerifier, caplog: pytest.LogCaptureFixture
    ) -> None:
        verifier = make_verifier(issuer="")
        assert "issuer" in caplog.text
        verifier.verify_now(signer.mint(iss="anybody"))
        verifier.verify_now(signer.mint(iss=...))
        for wrong in (None, "", 7, ["anybody"]):
            with pytest.raises(InvalidToken, match="iss"):
                verifier.verify_now(signer.mint(iss=wrong))

    def test_the_type_may_be_ignored_or_another(self, signer: Any, make_verifier: MakeVerifier) -> None:
        make_verifier(token_type=None).verify_now(signer.mint(type="id_token"))
        make_verifier(token_type="id_token").verify_now(signer.mint(type="id_token"))
        with pytest.raises(InvalidToken):
            make_verifier(token_type="id_token").verify_now(signer.mint())

    @pytest.mark.parametrize("leeway", [0, 30, 60])
    def test_leeway_counts_on_both_sides(
        self, signer: Any, make_verifier: MakeVerifier, clock: Any, leeway: int
    ) -> None:
        token = signer.mint(exp=NOW + 100, iat=NOW, nbf=NOW)
        for offset, accepted in [(-leeway - 1, False), (-leeway, True), (99 + leeway, True), (100 + leeway, False)]:
            clock.now = NOW + offset
            verifier = make_verifier(leeway=leeway)
            clock.now = NOW + offset
            if accepted:
                verifier.verify_now(token)
            else:
                with pytest.raises(InvalidToken):
                    verifier.verify_now(token)

    def test_the_reason_is_for_logs_and_the_message_for_clients(self, signer: Any, verifier: Verifier) -> None:
        with pytest.raises(InvalidToken) as caught:
            verifier.verify_now(signer.mint(exp=1))
        assert caught.value.reason == "expired"
        assert json.loads(caught.value.json()) == {
            "error": {"code": "unauthorized", "message": "invalid or expired token"}
        }
        assert caught.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class TestMemory:
    """A verified token is remembered; what could have changed since is asked each time (row 12)."""

    def test_a_second_look_gives_the_same_claims_without_cryptography(self, signer: Any, verifier: Verifier) -> None:
        token = signer.mint()
        assert verifier.verify_now(token) is verifier.verify_now(token)

    def test_only_the_whole_token_is_known_again(self, signer: Any, verifier: Verifier) -> None:
        token, other = signer.mint(), signer.mint(sub="43")
        verifier.verify_now(token)
        for forged in (other[: other.rindex(".")] + token[token.rindex(".") :], "A" + token, token[1:], token[-32:]):
            assert verifier.seen(b"Bearer " + forged.encode()) is None
            with pytest.raises(InvalidToken):
                verifier.verify_now(forged)
        assert verifier.seen(token.encode()) is verifier.seen(b"Basic  " + token.encode()) is None
        assert verifier.seen(b"Bearer " + token.encode()) is not None

    def test_it_ends_at_expiry_and_does_not_revive_when_the_clock_steps_back(
        self, signer: Any, verifier: Verifier, clock: Any
    ) -> None:
        token = signer.mint(exp=NOW + 100)
        verifier.verify_now(token)
        clock.now = NOW + 160
        for now in (NOW + 160, NOW - 61):
            clock.now = now
            with pytest.raises(InvalidToken):
                verifier.verify_now(token)

    async def test_a_removed_key_ends_it(self, signer: Any, make_verifier: MakeVerifier) -> None:
        keys = StaticKeys(signer.all_keys())
        verifier = make_verifier(keys=keys)
        token = signer.mint()
        verifier.verify_now(token)
        keys.replace([key for key in signer.all_keys() if key.kid != "rs256"])
        with pytest.raises(InvalidToken):
            verifier.verify_now(token)
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
        keys.replace(signer.all_keys())
        verifier.verify_now(token)

    def test_another_key_under_the_same_id_ends_it(self, signer: Any, make_verifier: MakeVerifier) -> None:
        keys = StaticKeys(signer.all_keys())
        verifier = make_verifier(keys=keys)
        token = signer.mint()
        verifier.verify_now(token)
        keys.replace([Key.of(signer.other_rsa.public_key(), "rs256")])
        with pytest.raises(InvalidToken):
            verifier.verify_now(token)

    def test_reloading_the_same_keys_keeps_it(self, signer: Any, make_verifier: MakeVerifier) -> None:
        keys = StaticKeys(signer.all_keys())
        verifier = make_verifier(keys=keys)
        token = signer.mint()
        claims = verifier.verify_now(token)
        keys.replace(signer.all_keys())
        assert verifier.verify_now(token) is claims

    def test_one_verifiers_success_never_answers_for_another(self, signer: Any, make_verifier: MakeVerifier) -> None:
        keys = StaticKeys(signer.all_keys())
        token = signer.mint()
        make_verifier(keys=keys).verify_now(token)
        for options in (
            {"audience": "billing"},
            {"issuer": "https://other.example"},
            {"token_type": "id_token"},
            {"algorithms": ["ES256"]},
        ):
            with pytest.raises(InvalidToken):
                make_verifier(keys=keys, **options).verify_now(token)

    def test_it_is_bounded_and_a_refused_token_is_not_in_it(self, signer: Any, make_verifier: MakeVerifier) -> None:
        verifier = make_verifier(cache_size=3)
        tokens = [signer.mint(jti=str(number)) for number in range(6)]
        first = verifier.verify_now(tokens[0])
        for token in tokens[1:]:
            verifier.verify_now(token)
        with pytest.raises(InvalidToken):
            verifier.verify_now(tokens[0] + "A")
        assert verifier.verify_now(tokens[0]) is not first
        assert verifier.verify_now(tokens[5]) is verifier.verify_now(tokens[5])

    def test_it_can_be_switched_off(self, signer: Any, make_verifier: MakeVerifier) -> None:
        verifier = make_verifier(cache_size=0)
        token = signer.mint()
        assert verifier.verify_now(token) is not verifier.verify_now(token)


class TestRevocation:
    @pytest.mark.parametrize("asynchronous", [True, False])
    async def test_the_hook_sees_token_and_claims_each_time(
        self, signer: Any, make_verifier: MakeVerifier, asynchronous: bool
    ) -> None:
        seen: list[tuple[str, str]] = []

        def hook(token: str, claims: Claims) -> None:
            seen.append((token, claims.jti))

        async def async_hook(token: str, claims: Claims) -> None:
            hook(token, claims)

        verifier = make_verifier(revocation=async_hook if asynchronous else hook)
        token = signer.mint()
        await verifier.verify(token)
        await verifier.verify(token)
        with pytest.raises(InvalidToken):
            await verifier.verify(token + "A")
        assert seen == [(token, "token-1")] * 2

    def test_a_hook_that_can_be_asked_without_waiting_is_asked_without_waiting_too(
        self, signer: Any, make_verifier: MakeVerifier
    ) -> None:
        revoked: set[str] = set()

        def hook(token: str, claims: Claims) -> None:
            if claims.jti in revoked:
                raise LookupError

        verifier = make_verifier(revocation=hook)
        token = signer.mint()
        verifier.verify_now(token)
        revoked.add("token-1")
        with pytest.raises(InvalidToken) as caught:
            verifier.verify_now(token)
        assert caught.value.message == "token revoked"

    def test_a_hook_that_must_be_awaited_is_never_skipped(self, signer: Any, make_verifier: MakeVerifier) -> None:
        async def hook(token: str, claims: Claims) -> None: ...

        class Hook:
            async def __call__(self, token: str, claims: Claims) -> None: ...

        def disguised(token: str, claims: Claims) -> Any:
            return hook(token, claims)

        for asynchronous in (hook, Hook(), partial(hook), disguised):
            verifier = make_verifier(revocation=asynchronous)
            with pytest.raises(RuntimeError, match="await"):
                verifier.verify_now(signer.mint())

    @pytest.mark.parametrize("wait", [True, False])
    async def test_a_padded_or_respelled_copy_of_a_revoked_token_is_refused_as_well(
        self, signer: Any, make_verifier: MakeVerifier, wait: bool
    ) -> None:
        def hook(token: str, claims: Claims) -> None:
            if token == revoked:
                raise LookupError

        revoked = signer.mint()
        head, body, sig = revoked.split(".")
        verifier = make_verifier(revocation=hook)
        copies = [revoked, revoked + "=", revoked + "==", f"{head}=.{body}.{sig}", f"{head}.{body}==.{sig}"]
        for copy in [*copies, revoked + "\n", " " + revoked, revoked[:-1] + chr(ord(revoked[-1]) + 1)]:
            with pytest.raises(InvalidToken):
                await verifier.verify(copy) if wait else verifier.verify_now(copy)

    async def test_any_error_of_the_hook_refuses(self, signer: Any, make_verifier: MakeVerifier) -> None:
        def hook(token: str, claims: Claims) -> None:
            raise LookupError(token)

        with pytest.raises(InvalidToken) as caught:
            await make_verifier(revocation=hook).verify(signer.mint())
        assert caught.value.message == "token revoked"

    async def test_a_fault_of_ours_refuses_and_the_log_says_where_but_not_what(
        self,
        signer: Any,
        make_verifier: MakeVerifier,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        token = signer.mint()
        verifier = make_verifier()
        monkeypatch.setattr(verifier, "_finish", lambda *parts: [][len(token)])
        with pytest.raises(InvalidToken):
            verifier.verify_now(token)
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        assert caplog.text.count("verification failed: IndexError at test_verifier.py:") == 2
        assert token not in caplog.text

    async def test_an_outage_of_what_the_hook_asks_is_a_503(self, signer: Any, make_verifier: MakeVerifier) -> None:
        def hook(token: str, claims: Claims) -> None:
            raise ServiceUnavailable("redis is gone")

        with pytest.raises(ServiceUnavailable):
            await make_verifier(revocation=hook).verify(signer.mint())


async def test_a_broken_key_source_is_a_refusal_and_its_text_is_not_logged(
    signer: Any, make_verifier: MakeVerifier, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        complete = True

        def peek(self, kid: str) -> Key | None:
            raise LookupError("s3cret")

        async def get(self, kid: str) -> Key | None:
            raise LookupError("s3cret")

    verifier = make_verifier(keys=Broken())
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(InvalidToken):
            verifier.verify_now(signer.mint())
        with pytest.raises(InvalidToken):
            await verifier.verify(signer.mint())
    assert "LookupError" in caplog.text
    assert "s3cret" not in caplog.text


def test_without_waiting_a_key_that_must_be_fetched_is_a_503(signer: Any, make_verifier: MakeVerifier) -> None:
    class Remote:
        complete = False

        def peek(self, kid: str) -> Key | None:
            return None

        async def get(self, kid: str) -> Key | None:
            return None

    with pytest.raises(KeysUnavailable):
        make_verifier(keys=Remote()).verify_now(signer.mint())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def _thawed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_thawed(item) for item in value]
    if hasattr(value, "items"):
        return {name: _thawed(item) for name, item in value.items()}
    return value


def for_any(examples: int, **what: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of a rule for so many examples of `what`."""
    unhurried = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    how = settings(max_examples=examples, deadline=None, suppress_health_check=unhurried)
    return lambda rule: how(given(**what)(rule))


def comes_back(signer: Any, verifier: Verifier, extra: dict[str, Any]) -> None:
    claims = verifier.verify_now(signer.mint(**extra))
    assert _thawed(claims) == signer.claims(**extra)


CLAIMS = st.dictionaries(st.text("abcxyz", min_size=1, max_size=8), JSON, max_size=5)
test_whatever_is_signed_comes_back = for_any(30, extra=CLAIMS)(comes_back)
test_whatever_is_signed_comes_back_long = pytest.mark.slow(for_any(1000, extra=CLAIMS)(comes_back))


def no_change_passes(signer: Any, verifier: Verifier, data: st.DataObject) -> None:
    token = signer.mint()
    at = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.characters(exclude_characters=token[at]) | st.sampled_from("ABCabc019-_.="))
    changed = token[:at] + char + token[at + 1 :]
    if changed != token:
        with pytest.raises(InvalidToken):
            verifier.verify_now(changed)


test_any_change_of_a_character_is_refused = for_any(60, data=st.data())(no_change_passes)
test_any_change_of_a_character_is_refused_long = pytest.mark.slow(for_any(2000, data=st.data())(no_change_passes))


def one_kind_of_error(signer: Any, verifier: Verifier, header: Any, payload: Any) -> None:
    encoded = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in (header, payload)]
    for parts in (encoded, [json.dumps(signer.header()), encoded[1]]):
        with pytest.raises(InvalidToken):
            verifier.verify_now(signer.raw(*parts))


BYTES = {"header": st.text() | st.binary(), "payload": st.text() | st.binary()}
test_any_bytes_correctly_signed_are_one_kind_of_error = for_any(50, **BYTES)(one_kind_of_error)
test_any_bytes_correctly_signed_are_one_kind_of_error_long = pytest.mark.slow(for_any(1000, **BYTES)(one_kind_of_error))
