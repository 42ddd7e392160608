#!/usr/bin/env bash
# Every route stands in the README's list of the API, and nothing else does. $1: a build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ -f $1/.built ]] || { printf 'the program was not built\n' && exit 1; }

diff -u --label README.md --label '`parley routes`' \
    <(sed -n '/^<!-- routes -->$/,/^<!-- end of routes -->$/p' README.md | sed -nE 's/^\| `([A-Z]+) ([^`]+)`.*/\1 \2/p' | sort) \
    <("$1/parley" routes | awk '{ print $1, $2 }' | sort)
