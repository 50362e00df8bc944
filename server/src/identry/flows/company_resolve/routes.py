"""GET /internal/companies/resolve."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.flows.company_resolve.service import (
    CompanyAmbiguous,
    CompanyResolve,
    CompanyUnknown,
    FinanceNotConfigured,
    FinanceUnavailable,
)
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.validation import line

Raw = Annotated[
    str,
    Meta(
        max_length=200,
        extra={"check": line},
        description="The company's UUID, its legacy id, or its name.",
        examples=["ACME Pte Ltd"],
    ),
]


class ResolveQuery(msgspec.Struct):
    """What to look for."""

    raw: Raw


class CompanyReply(msgspec.Struct, rename="camel", frozen=True):
    """The company that is meant."""

    company_id: UUID


def operations(companies: CompanyResolve) -> list[Operation]:
    """The room's rows of the operation table; to be mounted only when an internal key is configured."""

    async def resolve(call: Call) -> CompanyReply:
        return CompanyReply(await companies.resolve(call.query.raw))

    return [
        Operation(
            "GET",
            "/internal/companies/resolve",
            resolve,
            "Find a company by id, legacy id or name",
            tag="Machines",
            guard=Guard.MACHINE,
            query=ResolveQuery,
            reply=CompanyReply,
            errors=(CompanyUnknown, CompanyAmbiguous, FinanceNotConfigured, FinanceUnavailable),
            description="An id wins over a legacy id, a legacy id over a name; names are compared in any case. Several "
            "companies of one name are a 409. What was found is remembered for ten minutes.",
        )
    ]
