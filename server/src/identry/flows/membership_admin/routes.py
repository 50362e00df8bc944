"""Members of companies and business units under /internal/companies/{companyId}."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from identry.authority import LastOfItsKind, NotAllowed
from identry.flows.membership_admin.queries import Member
from identry.flows.membership_admin.service import CompanyUnknown, MembershipAdmin, NotAMember, UserUnknown
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.paging import Page, PageSize, page_of
from identry.web.validation import Role, SearchText
from identry.web.views import BusinessUnitMembershipView, CompanyMembershipView, StaffMeView

_COMPANY = "/internal/companies/{companyId:uuid}"
_UNIT = _COMPANY + "/business-units/{businessUnitId:uuid}"


class MembersQuery(msgspec.Struct, rename="camel"):
    """Page and search of a list of members."""

    page: Page = "1"
    page_size: PageSize = "20"
    search: SearchText | None = None


class MembersReply(msgspec.Struct, rename="camel", frozen=True):
    """One page of people, each with the memberships of this company only."""

    users: list[StaffMeView]
    page: int
    page_size: int
    total_count: int


class MembershipBody(msgspec.Struct, rename="camel"):
    """Who is to be what; `isActive` false ends the membership without forgetting it."""

    user_id: UUID
    role: Role
    is_active: bool = True


class CompanyMembershipReply(msgspec.Struct, frozen=True):
    """The membership as it is now."""

    membership: CompanyMembershipView


class UnitMembershipReply(msgspec.Struct, frozen=True):
    """The membership as it is now."""

    membership: BusinessUnitMembershipView


def operations(admin: MembershipAdmin) -> list[Operation]:
    """The room's rows of the operation table."""

    async def company_users(call: Call) -> MembersReply:
        page = page_of(call.query.page, call.query.page_size)
        found, total = await admin.company_page(
            call.actor.user, call.path["companyId"], call.query.search, page.limit, page.offset
        )
        return MembersReply(_views(found), page.page, page.page_size, total)

    async def unit_users(call: Call) -> MembersReply:
        page = page_of(call.query.page, call.query.page_size)
        company_id, unit_id = call.path["companyId"], call.path["businessUnitId"]
        found, total = await admin.unit_page(
            call.actor.user, company_id, unit_id, call.query.search, page.limit, page.offset
        )
        return MembersReply(_views(found), page.page, page.page_size, total)

    async def put_company(call: Call) -> Answer:
        body: MembershipBody = call.body
        membership, is_new = await admin.put_company(
            call.actor.user,
            call.path["companyId"],
            body.user_id,
            body.role,
            is_active=body.is_active,
            origin=call.origin,
        )
        return Answer(CompanyMembershipReply(CompanyMembershipView.of(membership)), status=201 if is_new else 200)

    async def put_unit(call: Call) -> Answer:
        body: MembershipBody = call.body
        membership, is_new = await admin.put_unit(
            call.actor.user,
            call.path["companyId"],
            call.path["businessUnitId"],
            body.user_id,
            body.role,
            is_active=body.is_active,
            origin=call.origin,
        )
        return Answer(UnitMembershipReply(BusinessUnitMembershipView.of(membership)), status=201 if is_new else 200)

    example = {"userId": "01990000-0000-7000-8000-000000000001", "role": "MANAGER"}
    common: dict[str, Any] = {"tag": "Companies", "guard": Guard.BEARER}
    return [
        Operation(
            "GET",
            f"{_COMPANY}/users",
            company_users,
            "List the people of a company",
            rule="company_users.list",
            query=MembersQuery,
            reply=MembersReply,
            errors=(NotAllowed,),
            description="Everybody with a membership, active or not, by full name.",
            **common,
        ),
        Operation(
            "POST",
            f"{_COMPANY}/memberships",
            put_company,
            "Give or change a company membership",
            rule="company_memberships.put",
            body=MembershipBody,
            reply=CompanyMembershipReply,
            status=201,
            also={200: "Changed"},
            errors=(NotAllowed, UserUnknown, CompanyUnknown, LastOfItsKind),
            description="201 for a new membership, 200 for one that was there. Nobody raises their own role.",
            example=example,
            **common,
        ),
        Operation(
            "GET",
            f"{_UNIT}/users",
            unit_users,
            "List the people of a business unit",
            rule="unit_users.list",
            query=MembersQuery,
            reply=MembersReply,
            errors=(NotAllowed,),
            description="Everybody whose memberships of the unit and of its company are active, by full name.",
            **common,
        ),
        Operation(
            "POST",
            f"{_UNIT}/memberships",
            put_unit,
            "Give or change a business-unit membership",
            rule="unit_memberships.put",
            body=MembershipBody,
            reply=UnitMembershipReply,
            status=201,
            also={200: "Changed"},
            errors=(NotAllowed, UserUnknown, NotAMember),
            description="201 for a new membership, 200 for one that was there. The user must be an active member of "
            "the company (409).",
            example=example,
            **common,
        ),
    ]


def _views(members: list[Member]) -> list[StaffMeView]:
    return [StaffMeView.with_memberships(m.user, [m.company], m.units) for m in members]
