"""The public surface, written down: a name that comes or goes is a decision, not an accident."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

from rows import every

import identry_kit

SKINS = {
    "apierror.fastapi": "exception_handlers install",
    "apierror.litestar": "exception_handlers",
    "apierror.starlette": "exception_handlers install",
    "jwtauth.fastapi": "CurrentUser OptionalUser current_user install optional_user require_roles require_scopes",
    "jwtauth.litestar": "CurrentUser IdentryPlugin OptionalUser requires_roles requires_scopes requires_user",
    "narration.sql": "DEFAULT_TTL SQLNarrations narration_table",
    "tiering.sqlalchemy": "SQLAlchemyPolicies TABLE_NAME policy_table",
}
"""What needs an extra, and is imported by its users alone."""

HEAVY = (
    "anthropic", "asyncpg", "fastapi", "http.server", "httpx2", "identry", "joserfc", "litestar", "msgspec", "openai",
    "opentelemetry", "pydantic", "pytest", "redis", "sqlalchemy", "starlette",
)  # fmt: skip
"""What no package of the kit may load by being imported."""

PUBLIC = {
    "aigateway": """
        AIBadAnswer AIConfig AIError AIGateway AIMisconfigured AINoResponse AIRateLimited AIRefused AITimedOut
        AIUnavailable extract_json extract_json_into for_test is_configured
    """,
    "apierror": """
        APIError ASGIApp BadGateway BadRequest Conflict ErrorResponse Forbidden GatewayTimeout Gone Headers Internal
        Message MethodNotAllowed NotFound NotImplementedYet OtherError PayloadTooLarge Receive Rendered Renderer Scope
        Send ServiceUnavailable TooManyRequests Unauthorized UnsupportedMediaType ValidationFailed answer bad_gateway
        bad_request conflict exception_handlers forbidden header_lines internal new not_found service_unavailable
        to_asgi to_envelope to_problem too_many_requests unauthorized validation_error wants_problem
    """,
    "client": """
        AppIdMissing AppUser Attribution BlockingClient CallerTokenMissing Client ClientClosed ClientError
        ClientSecretMissing ConnectionLost CreateResult DeadlineExceeded Decision Introspection InvalidAnswer
        InvalidCredentials InvalidProfileUpdate Login MagicLink MagicLinkAlreadyUsed MagicLinkInvalid
        MagicLinkRateLimited NotConfigured OAuthError PolicyRequestRejected PolicyUnavailable Profile ProfileUpdate
        Rejected Resource SignupRejected SignupResult Subject TokenSet Unanswered UnexpectedStatus Unreachable
        UserAlreadyExists UserInfo UserList UserNotInApp
    """,
    "context": """
        ANONYMOUS Caller DEFAULT_PLAN Request amr annotate app_role app_roles audiences auth_time begin caller current
        end is_service logger raw_jwt request_id scopes service_app tenant_id tenant_id_str token_version use user_email
        user_id user_name user_plan user_role user_sub
    """,
    "httpware": """
        BodyLimit Buckets CallerRateLimiter LocalBuckets Logger Metrics RBAC RateLimited RateLimiter Recover
        RedisBuckets Repeated
        RequestCounts RequestID RequireTenant SECURITY_HEADERS SecurityHeaders Sink Timeout new_request_id
        standard_stack
    """,
    "jwtauth": """
        ALGORITHMS ANY_AUDIENCE AnyAudience Authenticator Claims InvalidToken JWKSCache JWTAuth Key Keys KeysUnavailable
        MissingToken PublicKey RevocationHook SharedSecret StaticKeys Verifier bearer_token caller_of
    """,
    "narration": "DEFAULT_CAPACITY DEFAULT_TTL Narration NarrationCache NarrationCacher cache_key",
    "pagination": "DEFAULT_PAGE_SIZE MAX_PAGE MAX_PAGE_SIZE PageParams Style page_body parse",
    "sqllog": "Level MAX_PARAMETER MAX_SQL Names SQLLog",
    "testing": "AUDIENCE ISSUER Issuer KeyPair MovableClock RECIPES Recipe SUBJECT TENANT TTL acting_as",
    "tiering": """
        Cell DenialBody FeaturePolicy FeatureType Gate MemoryPolicies Missing PLAN_ENTERPRISE PLAN_FREEMIUM PLAN_PRO
        PlanRegistry PlanRequired PlanSelector PoliciesUnavailable PolicyRepository PolicyService Unlimited
        default_registry default_selector marshal_access marshal_limit
    """,
}


@every("package", [*PUBLIC, *SKINS])
def test_the_public_names_are_these(package: str) -> None:
    module = importlib.import_module(f"identry_kit.{package}")
    assert sorted(module.__all__) == sorted((PUBLIC | SKINS)[package].split())
    assert module.__doc__


@every("package", [*PUBLIC, *SKINS])
def test_every_public_class_and_function_says_what_it_is(package: str) -> None:
    module = importlib.import_module(f"identry_kit.{package}")
    for name in module.__all__:
        thing = getattr(module, name)
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__.startswith("identry_kit"):
            assert inspect.getdoc(thing), name


def test_every_package_is_listed() -> None:
    assert {module.name for module in pkgutil.iter_modules(identry_kit.__path__)} - {"pytest_plugin"} == set(PUBLIC)


@every("package", PUBLIC)
def test_importing_a_package_loads_no_framework_driver_or_http_client(package: str) -> None:
    code = f"import sys, identry_kit.{package}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
