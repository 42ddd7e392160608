# What up.sh, down.sh and tests/run.sh share. Sourced by bash after `top`, the folder of the sources, is set.
# shellcheck shell=bash
: "${top:?}"

PATH=$PATH:/usr/sbin:/sbin
export PATH
umask 022

say() {
    printf 'parley: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# ---- packages ----

# The packages of conf/packages for $1 (up) or for several ("up|test") that are not there.
packages_missing() {
    local who name path
    while read -r who name path; do
        [[ $who =~ ^($1)$ ]] || continue
        compgen -G "$path" >/dev/null || printf '%s\n' "$name"
    done <"$top/conf/packages"
}

# Stand-ins that come before the system's own commands while apt runs, so that a freshly installed nginx, PostgreSQL or PgBouncer is neither started
# nor enabled and no cluster is made under /etc/postgresql: Parley and its tests bring their own. Every other package is treated as usual.
packages_stand_ins() {
    local name
    cat >"$1/stand-in" <<'END'
#!/bin/sh
name=${0##*/}
case "$name $*" in
pg_createcluster*) exit 0 ;;
*nginx*status* | *postgresql*status* | *pgbouncer*status*) exit 3 ;;
*nginx* | *postgresql* | *pgbouncer*) exit 0 ;;
esac
PATH=${PATH#*:}
exec "$name" "$@"
END
    chmod 755 "$1" "$1/stand-in"
    for name in pg_createcluster invoke-rc.d update-rc.d deb-systemd-helper deb-systemd-invoke; do
        ln -s stand-in "$1/$name"
    done
}

packages_apt() {
    local as_root=() folder status=0
    ((EUID == 0)) || as_root=(sudo)
    folder=$(mktemp -d)
    packages_stand_ins "$folder"
    say "installing: $*"
    "${as_root[@]}" apt-get -q update >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
            -o DPkg::Path="$folder:/usr/sbin:/usr/bin:/sbin:/bin" install "$@" >&2 || status=$?
    rm -rf "$folder"
    ((status == 0)) || die "apt-get failed; what it says above is the reason. Needed are: $*"
}

# Installs what is missing for $1. With $2 = no it only names it: then the programs and libraries may stand in other places.
packages_install() {
    local missing=()
    mapfile -t missing < <(packages_missing "$1")
    ((${#missing[@]})) || return 0
    if [[ $2 == no ]]; then
        say "not found where Debian puts them: ${missing[*]} (going on without apt)"
    elif ! command -v apt-get >/dev/null; then
        die "please install what Debian calls ${missing[*]}, then start again with --no-apt"
    elif ((EUID != 0)) && ! command -v sudo >/dev/null; then
        die "packages are missing and there is no sudo; as root run: apt-get install ${missing[*]}"
    else
        packages_apt "${missing[@]}"
    fi
}

# ---- the sources ----

# The sources as a tar on standard output: the same bytes for the same sources; nothing that a build or a tool made.
tree_pack() {
    tar -C "$top" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
        --exclude=./.git --exclude='./build*' --exclude=./autom4te.cache --exclude=./aclocal.m4 --exclude='./configure' \
        --exclude='./configure~' --exclude=./config.h.in --exclude=./config.h --exclude=./config.log --exclude=./config.status \
        --exclude=./Makefile.in --exclude=./Makefile --exclude=./stamp-h1 --exclude=./parley --exclude=.deps --exclude=.dirstamp \
        --exclude='*.o' --exclude='*.a' --exclude=__pycache__ --exclude=node_modules --exclude='./src/.tree' -c .
}

# ---- the state folder ----

# Sets state, the folder of everything that up.sh makes.
state_find() {
    if [[ -n ${PARLEY_STATE:-} ]]; then
        state=$(realpath -m -- "$PARLEY_STATE")
    elif ((EUID == 0)); then
        state=/var/lib/parley
    else
        state=${XDG_STATE_HOME:-${HOME:?is not set; set it or PARLEY_STATE}/.local/state}/parley
    fi
    [[ $state =~ ^(/[A-Za-z0-9._+-]+)+$ ]] ||
        die "the path $state has characters other than letters, digits and . _ + -; set PARLEY_STATE to another folder"
    local socket=$state/run/.s.PGSQL.5432
    ((${#socket} <= 107)) ||
        die "$state is too long: the path of a UNIX socket ends at 107 bytes; set PARLEY_STATE to a shorter one"
}

# ---- processes ----

# The pid in the file $1, if that process lives and its command line has $2 in it (so that a number reused after a power cut is not taken for ours);
# nothing otherwise.
process_find() {
    local pid='' line=''
    if [[ -r $1 ]]; then read -r pid <"$1" || true; fi
    [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 0
    line=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || true
    [[ $line != *"$2"* ]] || printf '%s\n' "$pid"
}

# The running parts of $state; nothing when they do not run.
nginx_pid() { process_find "$state/nginx.pid" "$state/nginx/nginx.conf"; }
postgres_pid() { process_find "$state/postgres/postmaster.pid" "$state/postgres"; }
parley_pid() {
    local pid home
    pid=$(process_find "$state/parley.pid" 'parley: master')
    [[ -n $pid ]] || return 0
    # Its working folder tells it from another Parley's; unreadable to others, then the title has to do.
    home=$(readlink "/proc/$pid/cwd" 2>/dev/null) || home=$state
    [[ $home != "$state" ]] || printf '%s\n' "$pid"
}

# process_stop FINDER SIGNAL SECONDS: sends the signal and waits until the process is gone.
process_stop() {
    local pid tenths=$(($3 * 10))
    pid=$($1)
    [[ -n $pid ]] || return 0
    kill -s "$2" "$pid" 2>/dev/null || [[ -z $($1) ]] || die "process $pid belongs to somebody else; stop it as that user or as root"
    while [[ $($1) == "$pid" ]]; do
        ((tenths-- > 0)) || return 1
        sleep 0.1
    done
}

# Stops all that runs in $state: first what takes requests, last the database.
state_stop() {
    process_stop nginx_pid QUIT 5 || process_stop nginx_pid TERM 5 || process_stop nginx_pid KILL 5 || true
    process_stop parley_pid TERM 40 || process_stop parley_pid TERM 5 || process_stop parley_pid KILL 5 || true
    process_stop postgres_pid INT 60 || process_stop postgres_pid QUIT 10 || die "PostgreSQL does not stop; see $state/log/postgres.log"
}
