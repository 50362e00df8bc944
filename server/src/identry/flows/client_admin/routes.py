"""/api/admin/apps."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.flows.client_admin.queries import Scope
from identry.flows.client_admin.service import ClientAdmin, ClientIdTaken, ClientUnknown, NoSecret, OfTheHouse
from identry.flows.client_admin.views import AppPage, AppView, IssuedAppView, columns, issued_view, view
from identry.oauth.client_rules import InvalidClientMetadata, InvalidRedirectUri
from identry.records.users import GlobalRole
from identry.web.app_reach import FRESH
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.paging import provider_page_of
from identry.web.validation import SearchText

_TAG = "Applications"
_Flag = bool | UnsetType
_Text = Annotated[str, Meta(max_length=2048)] | UnsetType
_Texts = list[Annotated[str, Meta(max_length=2048)]] | UnsetType
_Seconds = int | UnsetType


class Paged(msgspec.Struct):
    """Which page."""

    page: Annotated[str, Meta(description="From 1.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""
    search: SearchText = ""


class AppFields(msgspec.Struct, kw_only=True):
    """What an application may be told to be; see `identry apps create --help`. Lifetimes in seconds, 0: as usual."""

    name: Annotated[str, Meta(max_length=200, examples=["Reports"])] | UnsetType = UNSET
    active: _Flag = UNSET
    is_public: _Flag = UNSET
    is_native: _Flag = UNSET
    first_party: _Flag = UNSET
    members_only: Annotated[_Flag, Meta(description="Whether only its members may sign in there.")] = UNSET
    auth_method: _Text = UNSET
    jwks: dict[str, Any] | UnsetType | None = UNSET
    grant_types: _Texts = UNSET
    redirect_uris: _Texts = UNSET
    post_logout_redirect_uris: _Texts = UNSET
    backchannel_logout_uri: _Text | None = UNSET
    allowed_scopes: _Texts = UNSET
    audiences: _Texts = UNSET
    require_pkce: _Flag = UNSET
    require_par: _Flag = UNSET
    require_dpop: _Flag = UNSET
    token_format: _Text = UNSET
    profile_claims: _Flag = UNSET
    claim_mappings: dict[str, str] | UnsetType = UNSET
    access_token_ttl: _Seconds | None = UNSET
    refresh_token_ttl: _Seconds | None = UNSET
    url: _Text | None = UNSET
    logo_url: _Text | None = UNSET
    brand_color: _Text | None = UNSET
    magic_link_url: _Text | None = UNSET
    sign_up: Annotated[_Text, Meta(description="`open`, `closed`, or `inherit`: as `SIGNUP_ENABLED` says.")] = UNSET
    owner_id: Annotated[int, Meta(ge=1, le=2**53)] | UnsetType = UNSET
    allow_token_exchange: Annotated[_Flag, Meta(description="Not served: only `false` is taken.")] = UNSET
    allow_impersonation: Annotated[_Flag, Meta(description="Not served: only `false` is taken.")] = UNSET


class NewApp(AppFields, kw_only=True):
    """A new application; without `client_id` one is made."""

    name: Annotated[str, Meta(max_length=200, examples=["Reports"])]
    client_id: Annotated[str, Meta(max_length=128, examples=["reports"])] = ""


_EXAMPLE = {"name": "Reports", "redirect_uris": ["https://reports.example.com/callback"]}


def operations(service: ClientAdmin) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listing(call: Call) -> AppPage:
        query: Paged = call.query
        page = provider_page_of(query.page, query.page_size)
        found, total = await service.page(_scope(call, query.search), page.limit, page.offset)
        return AppPage([view(app) for app in found], total, page.page, page.page_size)

    async def create(call: Call) -> IssuedAppView:
        body: NewApp = call.body
        asked, owner = _asked(body)
        return issued_view(await service.create(body.client_id, asked, call.actor.user.id, call.origin, owner=owner))

    async def read(call: Call) -> AppView:
        return view(await service.read(call.app.id))

    async def change(call: Call) -> AppView | IssuedAppView:
        asked, owner = _asked(call.body)
        made = await service.change(call.app.id, asked, call.actor.user.id, call.origin, owner=owner)
        return issued_view(made) if made.secret else view(made.client)

    async def rotate(call: Call) -> IssuedAppView:
        return issued_view(await service.rotate_secret(call.app.id, call.actor.user.id, call.origin))

    async def delete(call: Call) -> Answer:
        await service.delete(call.app.id, call.actor.user.id, call.origin)
        return Answer(b"", status=204)

    rejected = (InvalidClientMetadata, InvalidRedirectUri)
    return [
        _row("GET", "", listing, "List applications", reach="apps.list", query=Paged, reply=AppPage),
        _row("POST", "", create, "Make an application", body=NewApp, reply=IssuedAppView, status=201,
             errors=(*rejected, ClientIdTaken), example=_EXAMPLE),
        _row("GET", _ONE, read, "Read an application", reply=AppView, errors=(ClientUnknown,)),
        _row("PUT", _ONE, change, "Change an application", body=AppFields, reply=AppView,
             or_replies=(IssuedAppView,), errors=(*rejected, ClientUnknown, OfTheHouse), example=_EXAMPLE,
             description="Fields that are left out stay. One that becomes confidential is told its secret."),
        _row("DELETE", _ONE, delete, "Delete an application", status=204, fresh=FRESH,
             errors=(ClientUnknown, OfTheHouse)),
        _row("POST", f"{_ONE}/rotate-secret", rotate, "Give an application a new secret", reply=IssuedAppView,
             fresh=FRESH, errors=(ClientUnknown, NoSecret, OfTheHouse),
             description="The former secret works for another 24 hours, so that every copy can be replaced."),
    ]  # fmt: skip


_ONE = "/{app_id:number}"


def _row(
    method: str, path: str, handler: Any, summary: str, *, reach: str = "platform.admin", **more: Any
) -> Operation:
    return Operation(
        method, f"/api/admin/apps{path}", handler, summary, _TAG, Guard.APP_USER, surface="api", reach=reach, **more
    )


def _scope(call: Call, search: str) -> Scope:
    """Administrators of the platform see every application, others those that they administer.

    An application that is not the operator's own lists itself at most, whoever uses it.
    """
    user = call.actor.user
    platform = user.global_role in {GlobalRole.PLATFORM_ADMIN, GlobalRole.PLATFORM_SUPERADMIN}
    return Scope(
        admin_id=None if platform else user.id,
        only=None if call.client.first_party else call.client.id,
        search=search,
    )


def _asked(body: AppFields) -> tuple[dict[str, Any], int | None]:
    """The fields that were sent, as the service takes them; and the owner's number."""
    sent = {
        name: value
        for name in AppFields.__struct_fields__
        if (value := getattr(body, name)) is not UNSET and name != "owner_id"
    }
    for name in ("allow_token_exchange", "allow_impersonation"):
        if sent.pop(name, False):
            raise InvalidClientMetadata(f"{name}: is not served by this deployment")
    return columns(sent), None if body.owner_id is UNSET else body.owner_id
