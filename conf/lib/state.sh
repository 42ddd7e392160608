# Stage one of up.sh: who owns the state folder, and the copy of the sources in it.
# shellcheck shell=bash
: "${top:?}" "${state:=}"

# Sets owner: the unprivileged user that root becomes.
owner_find() {
    owner=nobody
    if [[ -n ${SUDO_USER:-} ]]; then
        id -u "$SUDO_USER" >/dev/null 2>&1 || die "SUDO_USER=$SUDO_USER is not a user of this machine; unset it to go on as nobody"
        if (($(id -u "$SUDO_USER") != 0)); then owner=$SUDO_USER; fi
    fi
    if [[ -d $state && $(stat -c %u "$state") != 0 ]]; then
        owner=$(stat -c %U "$state")
        [[ $owner != UNKNOWN ]] || die "$state belongs to user $(stat -c %u "$state"), who has no name; set PARLEY_STATE to another folder"
    fi
}

# Runs a command as the owner of the state folder: root steps down, anybody else is the owner.
as_owner() {
    if ((EUID == 0)); then
        setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups --no-new-privs \
            env HOME="$state" USER="$owner" LOGNAME="$owner" "$@"
    else
        "$@"
    fi
}

# A state folder is new, empty, or was made by an up.sh before: any other folder holds what is somebody else's.
state_is_ours() {
    [[ -e $state/src/.tree || -e $state/src.new || -e $state/parley.conf || -e $state/up.lock ]] ||
        [[ -z $(find "$state" -mindepth 1 -maxdepth 1 ! -name lost+found -print -quit) ]]
}

# Only what is missing is made: the mode and the owner of a folder that was there before are not this script's to change.
state_make_as_root() {
    mkdir -p "${state%/*}/" || die "cannot make ${state%/*}; set PARLEY_STATE to another folder"
    if [[ -d $state && $(stat -c %u "$state") != 0 ]]; then return 0; fi
    mkdir -p -m 0700 "$state"
    chmod 0700 "$state"
    chown -h "$owner:$(id -g "$owner")" "$state"
}

state_make() {
    local is_new=no
    [[ -e $state ]] || is_new=yes
    [[ $is_new == yes || -d $state ]] || die "$state is not a folder; set PARLEY_STATE to another"
    if ((EUID == 0)); then
        owner_find
    else
        id -un >/dev/null 2>&1 || die "user $EUID has no name, which PostgreSQL asks for; start as a user who has one"
        owner=$(id -un)
    fi
    if [[ -r $state && -x $state ]]; then
        state_is_ours || die "$state holds other things; set PARLEY_STATE to a folder that is new or empty"
    fi
    if ((EUID == 0)); then
        state_make_as_root
    else
        (umask 077 && mkdir -p "$state") || die "cannot make $state; set PARLEY_STATE to a folder that you may write to"
    fi
    cd /
    if ! as_owner test -r "$state" -a -w "$state" -a -x "$state"; then
        if [[ $is_new == yes ]]; then rmdir "$state"; fi
        die "$owner cannot read and write $state; set PARLEY_STATE to a folder that $owner can get to"
    fi
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
