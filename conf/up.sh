#!/usr/bin/env bash
# Starts Parley on this machine: installs what is missing, builds, makes a private PostgreSQL and a private nginx in one folder, migrates, starts,
# prints the address. Touches no system service and nothing in /etc. Run again it starts what does not run.
#
# Two stages. The first, as whoever called, installs packages and copies the sources into the state folder; root then becomes an unprivileged user. The second
# is this same script in that copy and does all the rest, so that nobody but the caller need be able to read the checkout.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=conf/common.sh
. "$top/conf/common.sh"

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
END
}

# ---- stage one ----

# Sets owner: the unprivileged user that root becomes.
owner_find() {
    owner=nobody
    if [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then
        owner=$SUDO_USER
    fi
    if [[ -d $state && $(stat -c %u "$state") != 0 ]]; then
        owner=$(stat -c %U "$state")
    elif [[ -d $state && -n $(ls -A "$state") ]]; then
        die "$state belongs to root and is not empty; set PARLEY_STATE to another folder"
    fi
}

# Runs a command as the owner of the state folder: root steps down, anybody else is the owner.
as_owner() {
    if ((EUID == 0)); then
        setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups \
            env HOME="$state" USER="$owner" LOGNAME="$owner" "$@"
    else
        "$@"
    fi
}

# Only what is missing is made: the mode and the owner of a folder that was there before are not this script's to change.
state_make_as_root() {
    mkdir -p "$(dirname "$state")" || die "cannot make $(dirname "$state"); set PARLEY_STATE to another folder"
    if [[ -d $state && $(stat -c %u "$state") != 0 ]]; then return 0; fi
    mkdir -p -m 0700 "$state"
    chmod 0700 "$state"
    chown -h "$owner:$(id -g "$owner")" "$state"
}

state_make() {
    if ((EUID == 0)); then
        owner_find
        state_make_as_root
    else
        (umask 077 && mkdir -p "$state") || die "cannot make $state; set PARLEY_STATE to a folder that you may write to"
    fi
    cd /
    as_owner test -w "$state" || die "${owner:-$(id -un)} cannot write to $state; set PARLEY_STATE to another folder"
}

# Unpacks the tar on standard input as the folder src of $1. A file that did not change keeps its time, so that make builds again only what must
# be; what autoreconf made stays.
tree_merge() {
    cd "$1"
    rm -rf src.new src.old
    mkdir -p src src.new
    tar -x -m -C src.new
    (cd src.new && find . -type f) | while read -r name; do
        if cmp -s "src.new/$name" "src/$name"; then touch -r "src/$name" "src.new/$name"; fi
    done
    for name in configure aclocal.m4 autom4te.cache config.h.in Makefile.in build-aux; do
        if [[ -e src/$name ]]; then mv "src/$name" src.new/; fi
    done
    printf '%s\n' "$2" >src.new/.tree
    mv src src.old
    mv src.new src
    rm -rf src.old
}

tree_copy() {
    local hash known
    hash=$(tree_pack | sha256sum)
    hash=${hash%% *}
    known=$(as_owner cat "$state/src/.tree" 2>/dev/null) || true
    [[ $hash != "$known" ]] || return 0
    tree_pack | as_owner bash -euo pipefail -c "$(declare -f tree_merge); tree_merge \"\$@\"" tree_merge "$state" "$hash"
}

stage_one() {
    packages_install up "$opt_apt"
    state_make
    if [[ $top != "$state/src" ]]; then tree_copy; fi
    export PARLEY_STATE=$state
    export PARLEY_UP_FROM=$top
    if ((EUID == 0)); then
        exec setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups \
            env HOME="$state" USER="$owner" LOGNAME="$owner" "$state/src/conf/up.sh" "$@"
    fi
    exec "$state/src/conf/up.sh" "$@"
}

# ---- stage two: building ----

# Runs a step of the build; its output goes to the build's log, whose end is shown when it fails.
build_step() {
    printf '\n== %s\n' "$*" >>"$state/log/build.log"
    "$@" >>"$state/log/build.log" 2>&1 9>&- && return 0
    tail -n 30 "$state/log/build.log" >&2
    die "building failed at \"$1\"; the whole output is in $state/log/build.log"
}

build() {
    local hash
    hash=$(<"$state/src/.tree")
    if [[ -x $state/app/bin/parley && $(cat "$state/build/.built" 2>/dev/null) == "$hash" ]]; then return 0; fi
    say "building (the first time takes a minute)"
    mkdir -p "$state/build"
    : >"$state/log/build.log"
    cd "$state/src"
    if [[ ! -x configure || configure.ac -nt configure || Makefile.am -nt Makefile.in ]]; then build_step autoreconf -fi; fi
    cd "$state/build"
    if [[ ! -f config.status || "$state/src/configure" -nt config.status ]]; then
        build_step "$state/src/configure" --prefix="$state/app"
    fi
    build_step make -j "$(nproc)"
    build_step make install
    cd "$state"
    printf '%s\n' "$hash" >"$state/build/.built"
}

# ---- stage two: PostgreSQL ----

# Sets postgres_bin: the programs of the version that made the cluster, else the newest from 15 on.
postgres_find() {
    local version=15 folder
    if [[ -f $state/postgres/PG_VERSION ]]; then
        version=$(<"$state/postgres/PG_VERSION")
        postgres_bin=/usr/lib/postgresql/$version/bin
        if [[ -x $postgres_bin/postgres ]]; then return 0; fi
    fi
    postgres_bin=
    while read -r folder; do
        if [[ -x $folder/initdb && $("$folder/postgres" --version) =~ \ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 15)); then
            postgres_bin=$folder
        fi
    done < <(dirname "$(command -v postgres || echo /none/postgres)"; printf '%s\n' /usr/lib/postgresql/*/bin | sort -V)
    [[ -n $postgres_bin ]] || die "no PostgreSQL from version 15 on was found; install postgresql, or put its programs on the PATH"
    if [[ -f $state/postgres/PG_VERSION && $("$postgres_bin/postgres" --version) != *" $version"[.\ ]* ]]; then
        die "the data in $state/postgres is PostgreSQL $version's; install postgresql-$version"
    fi
}

# What the cluster must have. Written at each start; ALTER SYSTEM is the place for settings of one's own, and wins.
postgres_configure() {
    local role user
    user=$(id -un) || die "user $(id -u) has no name, which PostgreSQL asks for; start as a user who has one"
    cat >"$1/parley.conf" <<END
# Written by conf/up.sh at each start. Settings of your own: ALTER SYSTEM, which wins over this file.
listen_addresses = ''
unix_socket_directories = '$state/run'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
max_wal_size = 1GB
wal_compression = on
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u '
END
    for role in postgres parley_owner parley_app parley_backup; do
        printf 'parley "%s" %s\n' "$user" "$role"
    done >"$1/pg_ident.conf"
    printf 'local all all peer map=parley\n' >"$1/pg_hba.conf"
}

postgres_create() {
    say "making the database cluster"
    rm -rf "$state/postgres.new"
    "$postgres_bin/initdb" -D "$state/postgres.new" -U postgres -A peer --encoding=UTF8 --locale=C.UTF-8 \
        >"$state/log/initdb.log" 2>&1 9>&- || {
        tail -n 20 "$state/log/initdb.log" >&2
        die "initdb failed; the whole output is in $state/log/initdb.log"
    }
    printf "include 'parley.conf'\n" >>"$state/postgres.new/postgresql.conf"
    mv "$state/postgres.new" "$state/postgres"
}

postgres_start() {
    if [[ -n $(postgres_pid) ]]; then return 0; fi
    if [[ ! -f $state/postgres/PG_VERSION ]]; then postgres_create; fi
    postgres_configure "$state/postgres"
    # Nobody runs here: these would be left from a power cut, and their number may be another process's by now.
    rm -f "$state/postgres/postmaster.pid" "$state/run/.s.PGSQL.5432" "$state/run/.s.PGSQL.5432.lock"
    log_open postgres
    "$postgres_bin/pg_ctl" -D "$state/postgres" -l "$state/log/postgres.log" -w -t 120 -s start >&2 9>&- || {
        tail -n 20 "$state/log/postgres.log" >&2
        die "PostgreSQL does not start; see $state/log/postgres.log"
    }
}

# psql as the superuser of the private cluster.
sql() {
    PGOPTIONS='-c client_min_messages=warning' "$postgres_bin/psql" -h "$state/run" -U postgres -qXAt -v ON_ERROR_STOP=1 "$@" 9>&-
}

postgres_prepare() {
    sql -d postgres -f "$state/src/sql/roles.sql" || die "the roles could not be made; what psql says above is the reason"
    if [[ -z $(sql -d postgres -c "select 1 from pg_database where datname = 'parley'") ]]; then
        sql -d postgres -c 'create database parley owner parley_owner'
    fi
    PARLEY_DATABASE="host=$state/run user=parley_owner dbname=parley" \
        "$state/app/bin/parley" migrate -c "$state/parley.conf" >"$state/log/migrate.log" 2>&1 9>&- || {
        cat "$state/log/migrate.log" >&2
        die "migrating the database failed; nothing was started"
    }
}

# ---- stage two: Parley and nginx ----

# A log that grew beyond 10 MB starts anew; the one before is kept.
log_open() {
    local log=$state/log/$1.log
    if [[ -f $log && $(stat -c %s "$log") -gt 10485760 ]]; then mv "$log" "$log.1"; fi
    touch "$log"
}

parley_configure() {
    if [[ ! -s $state/jwt.secret ]]; then
        head -c 48 /dev/urandom | base64 -w 0 >"$state/jwt.secret.new"
        chmod 600 "$state/jwt.secret.new"
        mv "$state/jwt.secret.new" "$state/jwt.secret"
    fi
    if [[ -f $state/parley.conf ]]; then return 0; fi
    cat >"$state/parley.conf" <<END
# Made by conf/up.sh, once; change it as you like, conf/down.sh and conf/up.sh make it count.
# \`$state/app/bin/parley options\` lists what can stand here.
listen = $state/run/parley.sock
pid_file = $state/parley.pid
database = host=$state/run user=parley_app dbname=parley
jwt_secret_file = $state/jwt.secret
END
}

parley_start() {
    if [[ -n $(parley_pid) ]]; then return 0; fi
    rm -f "$state/parley.pid"
    log_open parley
    setsid "$state/app/bin/parley" serve -c "$state/parley.conf" </dev/null >>"$state/log/parley.log" 2>&1 9>&- &
}

port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Sets port: the one nginx listens on already, else the one asked for, else the one of the last time, else the first free one from 8080 on.
port_choose() {
    local candidate
    if [[ -n $(nginx_pid) ]]; then
        port=$(<"$state/port")
        return 0
    fi
    if [[ -n ${PARLEY_PORT:-} ]]; then
        if ! [[ $PARLEY_PORT =~ ^[1-9][0-9]{0,4}$ ]] || ((PARLEY_PORT > 65535)); then die "PARLEY_PORT=$PARLEY_PORT is not a port"; fi
        port_is_free "$PARLEY_PORT" || die "port $PARLEY_PORT is taken; set PARLEY_PORT to a free one, or leave it out to have one chosen"
        port=$PARLEY_PORT
        return 0
    fi
    for candidate in $(cat "$state/port" 2>/dev/null || true) {8080..8179}; do
        if port_is_free "$candidate"; then
            port=$candidate
            return 0
        fi
    done
    die "the ports from 8080 to 8179 are all taken; set PARLEY_PORT to a free one"
}

# The files of nginx/ as they are, but for the address and the socket; and a small nginx.conf around them.
nginx_configure() {
    mkdir -p "$state/nginx/temp"
    rm -rf "$state/nginx/parley"
    cp -r "$state/src/nginx" "$state/nginx/parley"
    sed -i -e "s|listen 127\.0\.0\.1:8080;|listen 127.0.0.1:$port;|" \
        -e "s|unix:/run/parley/parley\.sock|unix:$state/run/parley.sock|" "$state/nginx/parley/parley.conf"
    cat >"$state/nginx/nginx.conf" <<END
# Written by conf/up.sh at each start.
worker_processes auto;
pid $state/nginx.pid;
error_log $state/log/nginx.log warn;
worker_shutdown_timeout 5s;
events {
    worker_connections 4096;
}
http {
    access_log off;
    client_body_temp_path $state/nginx/temp/body;
    fastcgi_temp_path $state/nginx/temp/fastcgi;
    proxy_temp_path $state/nginx/temp/proxy;
    scgi_temp_path $state/nginx/temp/scgi;
    uwsgi_temp_path $state/nginx/temp/uwsgi;
    include parley/parley.conf;
}
END
}

nginx_start() {
    local log=$state/log/nginx.log
    if [[ -n $(nginx_pid) ]]; then return 0; fi
    rm -f "$state/nginx.pid"
    log_open nginx
    nginx_configure
    # shellcheck disable=SC2094
    nginx -p "$state/nginx/" -e "$log" -c "$state/nginx/nginx.conf" </dev/null >>"$log" 2>&1 9>&- || {
        tail -n 5 "$log" >&2
        die "nginx does not start on port $port; set PARLEY_PORT to another if that is why (below 1024 only root may listen), or see $log"
    }
    printf '%s\n' "$port" >"$state/port"
}

is_ready() {
    curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$1/readyz" 2>/dev/null 9>&-
}

wait_until_ready() {
    local tenths=300
    until is_ready "$port"; do
        if ((tenths-- == 0)) || ((tenths < 290)) && [[ -z $(parley_pid) ]]; then
            tail -n 20 "$state/log/parley.log" >&2
            die "Parley does not get ready; its log is $state/log/parley.log"
        fi
        sleep 0.1
    done
}

# ---- stage two as a whole ----

how_to_stop() {
    local default=$HOME/.local/state/parley
    if [[ $state == /var/lib/parley || $state == "${XDG_STATE_HOME:-$HOME/.local/state}/parley" || $state == "$default" ]]; then
        printf '%s/conf/down.sh' "$from"
    else
        printf 'PARLEY_STATE=%s %s/conf/down.sh' "$state" "$from"
    fi
}

# Returns when everything answers; whoever else comes meanwhile waits.
start_all() {
    mkdir -p "$state/log"
    install -d -m 0700 "$state/run"
    exec 9>"$state/up.lock"
    flock 9
    if [[ -n $(nginx_pid) && -n $(parley_pid) && -n $(postgres_pid) ]] && is_ready "$(<"$state/port")"; then
        say "runs already at http://127.0.0.1:$(<"$state/port")/ (stop it with: $(how_to_stop))"
        exit 0
    fi
    port_choose
    build
    postgres_find
    parley_configure
    # A start that fails half way leaves nothing running that did not run before.
    if [[ -z $(nginx_pid)$(parley_pid)$(postgres_pid) ]]; then trap state_stop EXIT; fi
    postgres_start
    postgres_prepare
    parley_start
    nginx_start
    wait_until_ready
    trap - EXIT
    exec 9>&-
}

# Stays until a signal comes or Parley ends, then stops everything.
stay() {
    trap 'say "stopping"; state_stop; exit 0' INT TERM HUP
    say "Ctrl-C stops it"
    tail --pid="$(parley_pid)" -f /dev/null &
    wait $!
    say "Parley has ended; the last lines of its log are:"
    tail -n 20 "$state/log/parley.log" >&2
    state_stop
    exit 1
}

stage_two() {
    umask 077
    cd "$state"
    export LC_ALL=C.UTF-8
    from=${PARLEY_UP_FROM:-$top}
    # The caller's PARLEY_* may set any option but those that this script decides.
    unset "${!PG@}" PARLEY_UP_FROM PARLEY_CONFIG PARLEY_LISTEN PARLEY_PID_FILE PARLEY_DATABASE PARLEY_JWT_SECRET_FILE
    start_all
    say "answers at http://127.0.0.1:$port/"
    if [[ $opt_detach == yes ]]; then
        say "stop it with: $(how_to_stop)"
    else
        stay
    fi
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
        *) usage >&2 && exit 2 ;;
        esac
    done
    state_find
    if ((EUID == 0)) || [[ $top != "$state/src" ]]; then stage_one "$@"; fi
    stage_two
    exit 0
}

main "$@"
