"""Why somebody is not signed in at an application, and the words for it (contracts/provider-api.md §4, §7)."""

from __future__ import annotations

from identry.refusals import (
    AccountInactive,
    CredentialsChanged,
    MfaSetupRequired,
    PasswordLoginDisabled,
    PendingApproval,
    RegistrationRejected,
)
from identry.second_factor import FactorUnreadable
from identry_kit.apierror import BadRequest, Forbidden, Unauthorized


class UnknownApplication(BadRequest):
    """400: no application has this `client_id`, or it is switched off."""

    message = "unknown application"


class DpopNeeded(BadRequest):
    """400: tokens of this application are bound to a key; it gets them at `/oauth/token`."""

    message = "this application needs proof of possession; sign in through /oauth/authorize"


class EmailNotVerified(Forbidden):
    """403: nobody proved yet that they read the mailbox of the address."""

    message = "email not verified"


class NotAMember(Forbidden):
    """403: the person does not belong to the application."""

    message = "not a member of this application"


class MfaCodeNeeded(Unauthorized):
    """401: the first factor was right; send the request again with `mfa_code`, a code of the app or a recovery code."""

    api_error = "mfa_required"
    message = "a code of the second factor is needed"


class WrongMfaCode(Unauthorized):
    """401: the first factor was right, the code was wrong or used before."""

    message = "invalid mfa code"


REFUSALS = (
    MfaCodeNeeded,
    WrongMfaCode,
    CredentialsChanged,
    EmailNotVerified,
    NotAMember,
    PendingApproval,
    RegistrationRejected,
    AccountInactive,
    PasswordLoginDisabled,
    MfaSetupRequired,
    FactorUnreadable,
)
"""Why a proven person gets no grant: for the operations that end here."""


class RefusedCode(BadRequest):
    """400: the code that a change of the second factor takes is wrong or was used before."""

    message = WrongMfaCode.message
