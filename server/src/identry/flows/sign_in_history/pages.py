"""GET /account/history: sign-ins to somebody's account, and what was refused."""

from __future__ import annotations

from uuid import UUID

from identry.flows.sign_in_history.queries import SignInEvent
from identry.flows.sign_in_history.service import SignInHistory
from identry.pages.devices import described
from identry.web.account_pages import HOME, AccountPages
from identry.web.call import Answer, Call
from identry.web.operations import Operation
from identry.web.trail import parameter
from identry_kit.apierror import APIError

_PATH = f"{HOME}/history"
_WORDS = {
    "auth.login.blocked": "blocked",
    "auth.login.rate_limited": "rate_limited",
    "auth.mfa.failed": "mfa_failed",
    "auth.password.change_failed": "change_failed",
    "auth.refresh.reuse_detected": "reuse",
}
_HOW = {"pwd": "pwd", "hwk": "passkey", "swk": "passkey", "sso": "federated", "sso_tenant": "federated", "otp": "link"}


def operations(history: SignInHistory, account: AccountPages) -> list[Operation]:
    """The room's page."""

    async def show(call: Call, error: APIError | None = None) -> Answer:
        before = _cursor(parameter(call, "before"))
        found = await history.page(call.actor.user.id, before)
        told = [(event, described(event.user_agent), *_told(event)) for event in found.events]
        return await account.show(
            call,
            "history",
            "history",
            error,
            events=told,
            older=found.older,
            older_than=before,
            here=_PATH,
            here_session=call.actor.session_id,
        )

    return [account.page(_PATH, show, "Sign-ins to your account")]


def _cursor(text: str) -> UUID | None:
    """Where the page begins; what is no id begins at the newest."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _told(event: SignInEvent) -> tuple[str, str, bool]:
    """The keys of what happened and of how, and whether a second factor was part of it."""
    if not event.success:
        return f"account.history.event.{_refused(event)}", "", False
    how = _HOW.get(event.amr[0], "unknown") if event.amr else "unknown"
    return "account.history.succeeded", f"account.history.how.{how}", "mfa" in event.amr and how != "passkey"


def _refused(event: SignInEvent) -> str:
    """The word for a refusal."""
    if event.event != "auth.login.failed":
        return _WORDS.get(event.event, "blocked")
    if event.by in {"sso", "exchange"}:
        return "federated"
    return "failed" if event.reason == "wrong password" else "blocked"
