"""A Finance database as Prisma makes it: real tables in a second database of the test's PostgreSQL."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import asyncpg

SCHEMA = """
CREATE TYPE "TenantRole" AS ENUM ('OWNER', 'ADMIN', 'MANAGER', 'MEMBER', 'VIEWER', 'CASHIER', 'weird-role');
CREATE TABLE "Company" (
    "id" text PRIMARY KEY, "legacyId" integer, "name" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE TABLE "User" (
    "id" text PRIMARY KEY, "email" text NOT NULL, "password" text, "fullName" text, "phoneNumber" text,
    "profilePictureUrl" text, "isActive" boolean NOT NULL DEFAULT true, "legacyId" integer,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE TABLE "CompanyMembership" (
    "id" text PRIMARY KEY, "userId" text NOT NULL, "companyId" text NOT NULL, "role" "TenantRole" NOT NULL,
    "isActive" boolean NOT NULL DEFAULT true,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);
CREATE TABLE "BusinessUnitMembership" (
    "id" text PRIMARY KEY, "userId" text NOT NULL, "companyId" text NOT NULL, "businessUnitId" text NOT NULL,
    "role" text NOT NULL, "isActive" boolean NOT NULL DEFAULT true,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);
"""


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def create_database(postgres_url: str, schema: str = "") -> str:
    """A new database on the server of `postgres_url`; returns its URL."""
    name = f"db_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    url = with_database(postgres_url, name)
    if schema:
        connection = await asyncpg.connect(url)
        await connection.execute(schema)
        await connection.close()
    return url
