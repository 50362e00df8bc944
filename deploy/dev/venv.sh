#!/bin/sh
# Builds .venv from a lock file, with nothing but Python ≥ 3.11. Called by the Makefile.
set -eu
lock=$1
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "Identry needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1). Set PYTHON=/path/to/python3." >&2
    exit 1
}
# What an earlier run was interrupted in may hold half a package, which pip cannot repair: begin again.
[ ! -e .venv/.unfinished ] || rm -rf .venv
[ -x .venv/bin/python ] || {
    echo "Setting up .venv (once) …"
    "$python" -m venv .venv || {
        echo "'$python -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2
        rm -rf .venv
        exit 1
    }
}
touch .venv/.unfinished
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r "$lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e ./kit -e ./server
rm .venv/.unfinished
