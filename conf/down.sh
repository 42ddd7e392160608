#!/usr/bin/env bash
# Stops what up.sh started: nginx first, then Parley, then PostgreSQL. The data stays.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
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
    *) usage >&2 && exit 2 ;;
    esac
    state_find
    if [[ -z $(nginx_pid)$(parley_pid)$(postgres_pid) ]]; then
        say "does not run ($state)"
        exit 0
    fi
    state_stop
    say "stopped; the data stays in $state"
    exit 0
}

main "$@"
