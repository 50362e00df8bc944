#!/bin/sh
# Builds and starts Identry with Docker Compose.
#
#   ./run-docker-compose.sh               the server alone, with PostgreSQL and Redis of .env
#   ./run-docker-compose.sh local         … with PostgreSQL and Valkey beside it
#   ./run-docker-compose.sh dev           … for development: keys of its own
#   ./run-docker-compose.sh local dev     both
#   ./run-docker-compose.sh local down    anything else is handed to docker compose, instead of `up --build`
set -eu
cd "$(dirname "$0")"

files="-f compose.yaml"
while [ $# -gt 0 ]; do
    case $1 in
    local) files="$files -f compose.local-deps.yaml" ;;
    dev) files="$files -f compose.dev.yaml" ;;
    -h | --help)
        sed -n '2,8s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || set -- up --build

docker compose version >/dev/null 2>&1 || {
    echo "run-docker-compose.sh: Docker with Compose 2.24 or newer is needed: docker compose version" >&2
    exit 127
}
# shellcheck disable=SC2086 # $files is a list of words of ours
exec docker compose $files "$@"
