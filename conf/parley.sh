#!/usr/bin/env bash
# Runs the command `parley` that up.sh built, with the configuration of its state folder and as the folder's owner.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail

top=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
# shellcheck source=conf/common.sh
. "$top/conf/common.sh"

# The prompt's file is opened here, by the caller and where the caller is; the command reads it from its standard input.
prompt_open() {
    local i file
    for ((i = 0; i < ${#arguments[@]}; i++)); do
        case ${arguments[i]} in
        --prompt)
            file=${arguments[i + 1]-}
            [[ -n $file ]] || return 0
            arguments[i + 1]=-
            ;;
        --prompt=*)
            file=${arguments[i]#*=}
            arguments[i]=--prompt=-
            ;;
        *) continue ;;
        esac
        if [[ $file != - && $file != /dev/stdin ]]; then
            [[ -r $file && ! -d $file ]] || die "the prompt's file \"$file\" cannot be read"
            exec <"$file"
        fi
        return 0
    done
}

# Nothing of the caller's environment but how libpq finds a password for the other database of an import. A password never stands in a command line: what
# is passed on stays in the environment.
environment_clean() {
    local name kept=" PATH "
    if [[ $1 == import-legacy ]]; then kept+="PGPASSWORD PGPASSFILE PGSERVICEFILE "; fi
    for name in $(compgen -e); do
        if [[ $kept != *" $name "* ]]; then declare -g +x "$name"; fi
    done
    for name in PGPASSFILE PGSERVICEFILE; do
        [[ -n ${!name:-} ]] || continue
        "${step_down[@]}" test -r "${!name}" || die "$name names a file that $owner cannot read, as whom this runs: \"${!name}\""
        printf -v "$name" %s "$(realpath -- "${!name}")"
    done
}

main() {
    local arguments=("$@") owner step_down=() database=()
    state_find
    state_is_there || die "there is no folder $state; set PARLEY_STATE to the one that up.sh named"
    owner=$(stat -c %U "$state")
    [[ -x $state/app/bin/parley ]] || die "$state holds no program; start conf/up.sh first"
    if ((EUID == 0)); then
        step_down=(setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups --no-new-privs)
    fi
    # These write what the role that serves may only read.
    case ${1:-} in
    migrate | helper) database=(PARLEY_DATABASE="host=$state/run user=parley_owner dbname=parley") ;;
    esac
    if [[ ${1:-} == helper ]]; then prompt_open; fi
    environment_clean "${1:-}"
    cd "$state"
    exec "${step_down[@]}" env HOME="$state" LC_ALL=C.UTF-8 PARLEY_CONFIG="$state/parley.conf" "${database[@]}" \
        "$state/app/bin/parley" "${arguments[@]}"
}

main "$@"
