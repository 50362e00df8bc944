"""A Finance database as Prisma makes it: real tables in a second database of the test's PostgreSQL."""

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
