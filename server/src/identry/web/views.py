"""The objects of contracts/platform-api.md §3 as they go over the wire; every surface room shares them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.records.memberships import BusinessUnitMembership, CompanyMembership
from identry.records.users import User
from identry.tokens import TokenPair


class UserView(msgspec.Struct, rename="camel", frozen=True):
    """`User`: an account as its owner and staff see it."""

    id: UUID
    email: str
    full_name: str
    global_role: str
    is_active: bool
    approval_status: str
    auth_provider: str
    phone_number: str | None
    profile_picture_url: str | None
    email_verified: bool
    mfa_enabled: bool
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserView:
        """The view of a row."""
        return cls(*_common(user))


class SignedInView(TokenPair, rename="camel", frozen=True, kw_only=True):
    """The tokens of a new session and its user: what every way to sign in answers."""

    user: UserView

    @classmethod
    def of(cls, tokens: TokenPair, user: User) -> SignedInView:
        """The view of a finished sign-in."""
        return cls(*msgspec.structs.astuple(tokens), user=UserView.of(user))


class StaffUserView(UserView, rename="camel", frozen=True, kw_only=True):
    """`User` on `/internal`: also legacy ids and the token version."""

    legacy_ids: msgspec.Raw
    token_version: int

    @classmethod
    def of(cls, user: User) -> StaffUserView:
        """The view of a row."""
        return cls(*_common(user), legacy_ids=msgspec.Raw(user.legacy_ids), token_version=user.token_version)


class CompanyMembershipView(msgspec.Struct, rename="camel", frozen=True):
    """`CompanyMembership`: the role of a user in a company."""

    id: UUID
    company_id: UUID
    role: str
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: CompanyMembership) -> CompanyMembershipView:
        """The view of a row."""
        return cls(row.id, row.company_id, row.role, row.is_active, row.created_at, row.updated_at)


class BusinessUnitMembershipView(msgspec.Struct, rename="camel", frozen=True):
    """`BusinessUnitMembership`: the role of a user in a business unit of a company."""

    id: UUID
    company_id: UUID
    business_unit_id: UUID
    role: str
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: BusinessUnitMembership) -> BusinessUnitMembershipView:
        """The view of a row."""
        return cls(
            row.id, row.company_id, row.business_unit_id, row.role, row.is_active, row.created_at, row.updated_at
        )


class MeView(UserView, rename="camel", frozen=True, kw_only=True):
    """`MeUser`: an account with its memberships."""

    company_memberships: list[CompanyMembershipView]
    business_unit_memberships: list[BusinessUnitMembershipView]

    @classmethod
    def of_rows(cls, user: User, companies: list[Any], business_units: list[Any]) -> MeView:
        """The view of a user and the rows of its memberships (columns in the views' field order)."""
        return cls(
            *_common(user),
            company_memberships=[CompanyMembershipView(*row) for row in companies],
            business_unit_memberships=[BusinessUnitMembershipView(*row) for row in business_units],
        )

    @classmethod
    def with_memberships(
        cls, user: User, companies: Iterable[CompanyMembership], business_units: Iterable[BusinessUnitMembership]
    ) -> MeView:
        """The view of a user and of records of its memberships."""
        return cls(
            *_common(user),
            company_memberships=[CompanyMembershipView.of(row) for row in companies],
            business_unit_memberships=[BusinessUnitMembershipView.of(row) for row in business_units],
        )


class StaffMeView(StaffUserView, rename="camel", frozen=True, kw_only=True):
    """`MeUser` on `/internal`: an account as administrators see it, with memberships."""

    company_memberships: list[CompanyMembershipView]
    business_unit_memberships: list[BusinessUnitMembershipView]

    @classmethod
    def with_memberships(
        cls, user: User, companies: Iterable[CompanyMembership], business_units: Iterable[BusinessUnitMembership]
    ) -> StaffMeView:
        """The view of a user and of those memberships that the reader may see."""
        return cls(
            *_common(user),
            legacy_ids=msgspec.Raw(user.legacy_ids),
            token_version=user.token_version,
            company_memberships=[CompanyMembershipView.of(row) for row in companies],
            business_unit_memberships=[BusinessUnitMembershipView.of(row) for row in business_units],
        )


def _common(user: User) -> tuple[Any, ...]:
    return (
        user.id,
        user.email,
        user.full_name,
        user.global_role,
        user.is_active,
        user.approval_status,
        user.auth_provider,
        user.phone_number,
        user.profile_picture_url,
        user.email_verified,
        user.mfa_enabled,
        user.last_login_at,
        user.created_at,
        user.updated_at,
    )
