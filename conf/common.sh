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
        die "missing are ${missing[*]}, and there is no sudo to install them with; start $top/conf/up.sh as root, or again with --no-apt when root has installed them"
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
        --exclude=./Makefile.in --exclude=./Makefile --exclude=./stamp-h1 --exclude=./parley --exclude=./parley.service --exclude=.deps --exclude=.dirstamp \
        --exclude='*.o' --exclude='*.a' --exclude=__pycache__ --exclude=node_modules --exclude=./web --exclude=./web-packages --exclude=./web.log --exclude='./src/.tree' -c .
}

# ---- the state folder ----

# Sets state, the folder of everything that up.sh makes.
state_find() {
    if [[ -n ${PARLEY_STATE:-} ]]; then
        state=$(realpath -m -- "$PARLEY_STATE")
    elif ((EUID == 0)); then
        state=/var/lib/parley
    elif [[ -n ${XDG_STATE_HOME:-}${HOME:-} ]]; then
        state=$(realpath -m -- "${XDG_STATE_HOME:-$HOME/.local/state}/parley")
    else
        die "HOME is not set, where the state folder would be; set PARLEY_STATE to a folder"
    fi
    [[ $state =~ ^(/[A-Za-z0-9._+-]+)+$ ]] ||
        die "the state folder \"$state\" has characters other than letters, digits and . _ + -; set PARLEY_STATE to another"
    # A UNIX socket's path ends at 107 bytes, and the longest in it is that of PostgreSQL.
    local most=$((107 - ${#postgres_socket}))
    ((${#state} <= most)) ||
        die "the state folder $state is too long: ${#state} bytes, where $most are possible; set PARLEY_STATE to a shorter one"
}

postgres_socket=/run/.s.PGSQL.5432

# For what looks into a state folder: 1 when there is none. Ends with the reason when it cannot be looked into.
state_is_there() {
    local folder=$state
    until [[ -e $folder ]]; do
        folder=${folder%/*}
        folder=${folder:-/}
    done
    if [[ ! -d $folder ]]; then die "$folder is not a folder; set PARLEY_STATE to the one that up.sh named"; fi
    if [[ ! -x $folder || ($folder == "$state" && ! -r $folder) ]]; then
        die "cannot look into $folder, which belongs to $(stat -c %U "$folder"); run this as its owner or as root"
    fi
    [[ $folder == "$state" ]]
}

# One at a time starts or stops in a state folder: until this process and those that inherit descriptor 9 end, or 9 is closed. The folder itself is what is locked, so
# that root opens no file in a folder of somebody else's.
state_lock() {
    [[ /proc/self/fd/9 -ef $state ]] || exec 9<"$state"
    flock -n 9 && return 0
    say "waiting for another up.sh or down.sh that works on $state"
    flock 9
}

# ---- logs ----

declare -A log_begins=()

# Begins what log_show shows: the end of the log now. A log that grew beyond 10 MB starts anew; the one before is kept.
log_open() {
    local log=$state/log/$1.log
    if [[ -f $log && $(stat -c %s "$log") -gt 10485760 ]]; then mv "$log" "$log.1"; fi
    touch "$log"
    log_begins[$1]=$(stat -c %s "$log")
}

# The last $2 lines of the log $1, of those that were written since log_open.
log_show() {
    tail -c "+$((${log_begins[$1]:-0} + 1))" "$state/log/$1.log" | tail -n "$2" >&2
}

# ---- processes ----

# The pid in the file $1, if that process lives, is the owner's, and its command line has $2 in it (so that a number reused after a power cut is not
# taken for ours); nothing otherwise.
process_find() {
    local pid='' line=''
    { read -r pid <"$1"; } 2>/dev/null || true
    [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 0
    grep -qsE "^Uid:.$(stat -c %u "$state")[[:space:]]" "/proc/$pid/status" || return 0
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

state_runs() {
    [[ -n $(nginx_pid)$(parley_pid)$(postgres_pid)$(nginx_orphans) ]]
}

# The port of nginx, as up.sh wrote it down; nothing when that is not a number.
port_read() {
    local port=''
    { read -r port <"$state/port"; } 2>/dev/null || true
    if [[ $port =~ ^[1-9][0-9]{0,4}$ ]]; then printf '%s\n' "$port"; fi
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

# The processes of an nginx whose master was killed: they live in $state, and hold the port.
nginx_orphans() {
    local folder name
    if [[ -n $(nginx_pid) ]]; then return 0; fi
    for folder in /proc/[0-9]*; do
        { read -r name <"$folder/comm"; } 2>/dev/null || continue
        if [[ $name == nginx && $folder/cwd -ef $state ]]; then printf '%s\n' "${folder#/proc/}"; fi
    done
}

nginx_orphans_stop() {
    local signal pid
    for signal in TERM TERM KILL; do
        for pid in $(nginx_orphans); do kill -s "$signal" "$pid" 2>/dev/null || true; done
        if [[ -z $(nginx_orphans) ]]; then return 0; fi
        sleep 0.5
    done
}

nginx_stop() {
    process_stop nginx_pid QUIT 5 || process_stop nginx_pid TERM 5 || process_stop nginx_pid KILL 5 || true
}

# Parley ends the answers that it writes, for which their readers need nginx.
parley_stop() {
    process_stop parley_pid TERM 1 && return 0
    say "waiting for the answers that are being written; after drain_seconds (30) they are cut, and what they have is kept"
    process_stop parley_pid 0 40 || process_stop parley_pid TERM 5 || process_stop parley_pid KILL 5 || true
}

# Stops all that runs in $state: first who answers, then the way to it, last the database.
state_stop() {
    parley_stop
    nginx_stop
    nginx_orphans_stop
    process_stop postgres_pid INT 60 || process_stop postgres_pid QUIT 10 || die "PostgreSQL does not stop; see $state/log/postgres.log"
}
