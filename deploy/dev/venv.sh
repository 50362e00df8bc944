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

pip() { .venv/bin/python -m pip "$@" --quiet --disable-pip-version-check; }

# uv installs in seconds what takes pip more than a minute. It reads none of pip's settings: an index of one's own is
# handed on, and whatever else keeps uv from its work, pip does it.
with_uv() {
    index=$(pip config list | sed -n "s/^[^']*[.]index-url='\(.*\)'$/\1/p" | tail -n 1)
    pip install --require-hashes -r requirements-uv.lock &&
        .venv/bin/uv pip install --quiet --python .venv/bin/python ${index:+--default-index "$index"} --require-hashes -r "$lock"
}

with_uv 2>/dev/null || pip install --no-compile --require-hashes -r "$lock"
pip install --no-deps --no-build-isolation -e ./kit -e ./server
rm .venv/.unfinished
