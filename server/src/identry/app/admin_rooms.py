"""The rooms of the admin port: applications, their people, the platform's accounts, what happened.

Where there is no such port (`ADMIN_PORT=0`, and in development unless it is set) they are under `/manage` of the main
one (contracts/provider-api.md §1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from identry import __version__
from identry.app import account_services
from identry.app.engines import Engines
from identry.app.people_rooms import app_clearance, app_login, people_admin_rooms, people_signin
from identry.app.provider_engines import ProviderEngines
from identry.app.sign_up_rooms import app_password_resets
from identry.core.limits import HOUR, Limit
from identry.core.origin import Origin
from identry.flows.app_members import routes as app_members
from identry.flows.app_members.service import AppMembers
from identry.flows.audit_logs import routes as audit_logs
from identry.flows.audit_logs.service import AuditLogs
from identry.flows.block_addresses import routes as block_addresses
from identry.flows.block_addresses.service import BlockAddresses
from identry.flows.client_admin import routes as client_admin
from identry.flows.client_admin.service import ClientAdmin
from identry.flows.dashboard import routes as dashboard
from identry.flows.dashboard.service import Dashboard
from identry.flows.login import administration as admin_login
from identry.flows.password_change import administration as admin_password
from identry.flows.platform_users import routes as platform_users
from identry.flows.platform_users.service import PlatformUsers
from identry.flows.policy_decide import routes as policy_decide
from identry.flows.policy_decide.service import PolicyDecide
from identry.flows.register_client import routes as register_client
from identry.flows.register_client.service import RegisterClient
from identry.flows.security_events import routes as security_events
from identry.flows.security_events.service import SecurityEvents
from identry.flows.threats import routes as threats
from identry.flows.threats.service import Threats
from identry.settings import Settings
from identry.web.operations import Operation
from identry.web.surfaces import MANAGE_PREFIX

_RESETS = Limit("admin-reset-request", 100, HOUR)
"""Links to new passwords that administrators of applications have mailed, per client address."""


def admin_rooms(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """The operation table of the admin port."""
    checks = {"postgres": lambda: e.db.fetchval("SELECT 1"), "redis": e.kv.ping if settings.redis_url else None}
    rows = [
        *_own(settings, e, p),
        *client_admin.operations(ClientAdmin(e.db, e.clock, e.audit, e.marks)),
        *platform_users.operations(PlatformUsers(e.db, e.clock, e.audit, e.marks)),
        *_members(settings, e),
        *audit_logs.operations(AuditLogs(e.db, e.audit)),
        *block_addresses.operations(BlockAddresses(e.db, e.clock, e.audit, e.addresses)),
        *security_events.operations(SecurityEvents(e.db)),
        *dashboard.operations(Dashboard(e.db, e.clock, checks), __version__),
        *threats.operations(Threats(e.db, e.clock, e.addresses)),
        *policy_decide.operations(PolicyDecide(e.db, e.clock, e.audit, p.tokens)),
        *people_admin_rooms(settings, e),
    ]
    if settings.admin_listener:
        return [replace(row, door="admin") for row in rows]
    return [replace(row, path=MANAGE_PREFIX + row.path) for row in rows]


def registration_rooms(settings: Settings, e: Engines) -> list[Operation]:
    """Dynamic registration, where it is switched on; on the main port."""
    if not settings.dynamic_registration:
        return []
    service = RegisterClient(e.db, e.clock, e.audit, e.limiter, e.marks)
    return register_client.operations(service, issuer_url=settings.issuer_url)


def at_both_doors(rows: Iterable[Operation]) -> list[Operation]:
    """Rows that the main port and the admin port serve."""
    return [replace(row, door="both") for row in rows]


def _own(settings: Settings, e: Engines, p: ProviderEngines) -> list[Operation]:
    """What administrators do for themselves."""
    login = app_login(settings, e, app_clearance(settings, e, p))
    people = people_signin(settings, e, p)
    change = account_services.password_change(settings, e)
    return [
        *admin_login.operations(login, people, e.devices, enabled=settings.admin_password_login_enabled),
        *admin_password.operations(change),
    ]


def _members(settings: Settings, e: Engines) -> list[Operation]:
    service = AppMembers(
        e.db,
        e.clock,
        e.audit,
        e.outbox,
        e.marks,
        invite_ttl=settings.invite_token_ttl,
        verify_ttl=settings.email_token_ttl,
        domains=settings.auth_allowed_email_domains,
        mails=e.sender.sends,
    )
    reset = app_password_resets(settings, e, requests=_RESETS)

    async def mail_reset(email: str, origin: Origin) -> None:
        await reset.request(email, "", origin)

    return app_members.operations(service, mail_reset, _RESETS, show_token=settings.is_development)
