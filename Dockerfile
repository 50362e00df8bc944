# Identry, the server. Build: docker build -t identry .   Run: docker run --env-file .env -p 3097:3097 identry
#
# With OpenTelemetry: --build-arg LOCK=requirements-dev.lock --build-arg EXTRAS=[otel]
ARG PYTHON=3.11

# -- build: every package verified by its hash, then the two wheels, then an environment of what the server needs ------
FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
ARG LOCK=requirements.lock
COPY requirements.lock requirements-dev.lock ./
RUN pip download --quiet --only-binary :all: --require-hashes --dest /wheels --requirement "${LOCK}"
COPY kit kit
COPY server server
RUN python -m venv /build \
 && /build/bin/pip install --quiet --no-index --find-links /wheels hatchling editables \
 && /build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheels ./kit ./server
ARG EXTRAS=
# Nothing is fetched here. The embedded PostgreSQL and the build tools stay behind: nothing asks for them.
RUN python -m venv /app/venv \
 && /app/venv/bin/pip install --quiet --no-index --find-links /wheels "identry${EXTRAS}" \
 && /app/venv/bin/pip uninstall --quiet --yes pip setuptools \
 && python -m compileall -q /app/venv/lib \
 && cp -r server/src/identry/migrations /app/migrations \
 && rm -rf /app/migrations/__pycache__

# -- run ---------------------------------------------------------------------------------------------------------------
FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Identry" \
      org.opencontainers.image.description="Self-hosted identity: sign-in, sessions, tokens, memberships, audit" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
 && groupadd --gid 65532 app \
 && useradd --uid 65532 --gid 65532 --home-dir /app --no-create-home --shell /usr/sbin/nologin app
COPY --from=build /app /app
COPY LICENSE /app/LICENSE
ENV PATH=/app/venv/bin:$PATH \
    MIGRATIONS_PATH=/app/migrations \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 65532:65532
# Not 8081: whoever publishes all that is exposed (-P) must not publish the admin port with it.
EXPOSE 3097
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3097') + '/health', timeout=2)"]
ENTRYPOINT ["identry"]
CMD ["serve"]
