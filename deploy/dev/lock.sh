#!/bin/sh
# Resolves the lock files from the pyproject files. Called by `make lock`.
set -e
UV=${UV:-.venv/bin/uv}
common="--universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate --python-version 3.11 --no-emit-package identry-kit -q"
$UV pip compile $common --extra embedded server/pyproject.toml kit/pyproject.toml requirements-build.in -o requirements.lock
$UV pip compile $common --extra embedded --extra uvicorn --extra otel --extra fastapi --extra litestar --extra redis --extra sqlalchemy --extra openai --extra anthropic server/pyproject.toml kit/pyproject.toml requirements-build.in requirements-dev.in -c requirements.lock -o requirements-dev.lock
echo uv | $UV pip compile $common -c requirements-dev.lock - -o requirements-uv.lock
