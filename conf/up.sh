#!/usr/bin/env bash
# Starts Parley on this machine: installs what is missing, builds, makes a private PostgreSQL and a private nginx in one folder, migrates, starts,
# prints the address. Starts no system service and writes nothing in /etc (but for what packages do). Run again it starts what does not run.
#
# Two stages. The first, as whoever called, installs packages and copies the sources into the state folder; root then becomes an unprivileged user. The second
# is this same script in that copy and does all the rest, so that nobody but the caller need be able to read the checkout. Both hold the folder's lock.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

top=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
# shellcheck source=conf/common.sh
. "$top/conf/common.sh"
# shellcheck source=conf/lib/state.sh
. "$top/conf/lib/state.sh"
# shellcheck source=conf/lib/build.sh
. "$top/conf/lib/build.sh"
# shellcheck source=conf/lib/postgres.sh
. "$top/conf/lib/postgres.sh"
# shellcheck source=conf/lib/parley.sh
. "$top/conf/lib/parley.sh"
# shellcheck source=conf/lib/nginx.sh
. "$top/conf/lib/nginx.sh"

usage() {
    cat <<'END'
usage: conf/up.sh [--detach] [--no-apt]

Builds Parley and starts it with a PostgreSQL and an nginx of its own. Without options it stays in the foreground until Ctrl-C.

  --detach   return when it answers; conf/down.sh stops it
  --no-apt   install nothing
  --help     this text

Environment:
  PARLEY_STATE   the folder that holds everything: data, configuration, logs
                 (root: /var/lib/parley; others: ~/.local/state/parley)
  PARLEY_PORT    the port on 127.0.0.1 (8080, or the next free one when that is taken)
  PARLEY_MODEL_URL, PARLEY_MODEL_KEY, PARLEY_MODEL_NAME
                 the server that answers, such as http://127.0.0.1:11434/v1, its key
                 and its model; kept in parley.conf, and taken away by an empty value
END
}

# ---- stage one ----

# What must stand before a command of the caller's for it to mean this state folder and be allowed to.
prefix_find() {
    prefix=
    if [[ -n ${PARLEY_STATE:-}${SUDO_USER:-} ]]; then prefix="PARLEY_STATE=$state "; fi
    if ((EUID == 0)) && [[ -n ${SUDO_USER:-} && $SUDO_USER != "$owner" ]]; then prefix="sudo env $prefix"; fi
}

# What is built and started gets nothing of the caller's environment but what is meant for it.
environment_clean() {
    local name
    for name in $(compgen -e); do
        case $name in
        PARLEY_* | PATH | HOME | USER | LOGNAME | CC | CFLAGS | CPPFLAGS | LDFLAGS | PKG_CONFIG_PATH) ;;
        WEB_MODULES | npm_config_registry | NODE_EXTRA_CA_CERTS) ;;
        http_proxy | https_proxy | HTTPS_PROXY | all_proxy | ALL_PROXY | no_proxy | NO_PROXY | SSL_CERT_FILE | SSL_CERT_DIR) ;;
        *) unset "$name" 2>/dev/null || true ;;
        esac
    done
    if ((EUID == 0)); then export HOME=$state USER=$owner LOGNAME=$owner; fi
    export LC_ALL=C.UTF-8 TMPDIR=$state/tmp
    no_proxy=${no_proxy:-${NO_PROXY:-}}
    export no_proxy=${no_proxy:+$no_proxy,}127.0.0.1,localhost,::1
    # The caller's PARLEY_* may set any option but those that up.sh decides.
    unset PARLEY_CONFIG PARLEY_LISTEN PARLEY_PID_FILE PARLEY_DATABASE PARLEY_JWT_SECRET_FILE
}

# Whom packages_install installs for: a release brings the page built.
packages_wanted() {
    if [[ -f $top/src/web/built/index.html ]]; then echo up; else echo 'up|web'; fi
}

# Where the caller's npm gets packages: the user who builds has no settings of npm.
registry_find() {
    local address=''
    if [[ -z ${npm_config_registry:-}${WEB_MODULES:-} ]] && command -v npm >/dev/null; then address=$(cd / && npm config get registry 2>/dev/null) || true; fi
    if [[ $address == http* ]]; then export npm_config_registry=$address; fi
}

stage_one() {
    packages_install "$(packages_wanted)" "$opt_apt"
    registry_find
    state_make
    state_lock
    if [[ $top != "$state/src" ]]; then tree_copy; fi
    prefix_find
    environment_clean
    export PARLEY_STATE=$state PARLEY_UP_FROM=$top PARLEY_UP_PREFIX=$prefix
    if ((EUID == 0)); then
        exec setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups --no-new-privs "$state/src/conf/up.sh" "$@"
    fi
    exec "$state/src/conf/up.sh" "$@"
}

# ---- stage two ----

# The lines that the caller needs next; the first, alone on stdout, can be pasted.
tell() {
    local from
    printf -v from '%q' "$from_folder"
    printf 'URL=http://127.0.0.1:%s/api/v1\n' "$port"
    say "data, parley.conf and logs are in $state"
    say "commands (doctor, user add ...): $prefix$from/conf/parley.sh help"
    say "stop it with: $prefix$from/conf/down.sh"
}

# All runs: says so, and which of the caller's wishes that leaves open.
tell_that_it_runs() {
    local again="conf/down.sh and conf/up.sh"
    say "runs already at http://127.0.0.1:$port/"
    if ! cmp -s "$state/src/.tree" "$state/run/built"; then say "what runs is another version than this one: $again start this one"; fi
    if [[ ${PARLEY_PORT:-$port} != "$port" ]]; then say "PARLEY_PORT=$PARLEY_PORT changes nothing while it runs: $again use it"; fi
    if [[ -n ${PARLEY_MODEL_URL+x}${PARLEY_MODEL_KEY+x}${PARLEY_MODEL_NAME+x} ]]; then
        say "PARLEY_MODEL_* change nothing while it runs: $again use them"
    fi
    tell
}

# A start that fails half way leaves nothing running that did not run before.
start_undo() {
    if [[ -n ${parley_started:-} ]]; then kill -TERM "$parley_started" 2>/dev/null || true; fi
    state_stop
}

start_all() {
    mkdir -p "$state/log" "$state/tmp"
    install -d -m 0700 "$state/run"
    port=$(port_read)
    if [[ -n $port && -n $(nginx_pid) && -n $(parley_pid) && -n $(postgres_pid) ]] && is_ready; then
        tell_that_it_runs
        exit 0
    fi
    programs_check
    postgres_find
    port_choose
    build
    parley_configure
    parley_check
    if ! state_runs; then trap start_undo EXIT; fi
    postgres_start
    postgres_prepare
    parley_start
    nginx_start
    wait_until_ready
    trap - EXIT
    exec 9<&-
}

stop_all() {
    state_lock
    state_stop
}

# Stays until a signal comes or Parley ends, then stops everything.
stay() {
    trap 'say "stopping"; stop_all; exit 0' INT TERM HUP
    say "Ctrl-C stops it"
    tail --pid="$(parley_pid)" -f /dev/null &
    wait $!
    say "Parley has ended; the last lines of its log are:"
    log_show parley 20
    stop_all
    exit 1
}

stage_two() {
    umask 077
    cd "$state"
    from_folder=$PARLEY_UP_FROM
    prefix=${PARLEY_UP_PREFIX:-}
    unset PARLEY_UP_FROM PARLEY_UP_PREFIX
    state_lock
    start_all
    say "answers at http://127.0.0.1:$port/"
    tell
    if [[ $opt_detach == no ]]; then stay; fi
}

main() {
    local argument
    opt_detach=no
    opt_apt=yes
    for argument in "$@"; do
        case $argument in
        --detach) opt_detach=yes ;;
        --no-apt) opt_apt=no ;;
        --help | -h) usage && exit 0 ;;
        *)
            say "$argument is not an option"
            usage >&2
            exit 2
            ;;
        esac
    done
    state_find
    if ((EUID == 0)) || [[ -z ${PARLEY_UP_FROM:-} || $top != "$state/src" ]]; then stage_one "$@"; fi
    stage_two
    exit 0
}

main "$@"
