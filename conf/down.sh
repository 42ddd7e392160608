#!/usr/bin/env bash
# Stops what up.sh started: Parley first, which lets the answers at hand come to their ends, then nginx, then PostgreSQL. The data stays.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

top=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
# shellcheck source=conf/common.sh
. "$top/conf/common.sh"

usage() {
    cat <<'END'
usage: conf/down.sh

Stops what conf/up.sh started. The data stays; conf/up.sh starts it again.

Environment:
  PARLEY_STATE   the folder that holds everything (root: /var/lib/parley; others: ~/.local/state/parley)
END
}

main() {
    case $*: in
    :) ;;
    --help: | -h:) usage && exit 0 ;;
    *)
        say "$1 is not an option"
        usage >&2
        exit 2
        ;;
    esac
    state_find
    if ! state_is_there; then
        say "nothing runs: there is no folder $state (PARLEY_STATE names another)"
        exit 0
    fi
    state_lock
    if ! state_runs; then
        say "does not run ($state)"
        exit 0
    fi
    state_stop
    say "stopped; the data stays in $state"
    exit 0
}

main "$@"
