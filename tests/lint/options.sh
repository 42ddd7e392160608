#!/usr/bin/env bash
# The table of options in C, the example file and the README say the same. $1: a build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ -f $1/.built ]] || { printf 'the program was not built\n' && exit 1; }

status=0
"$1/parley" options --example | diff -u conf/parley.conf.example - || {
    printf 'conf/parley.conf.example is not what `parley options --example` prints\n'
    status=1
}
sed -n '/^<!-- options -->$/,/^<!-- end of options -->$/p' README.md | sed '1d;$d' | diff -u - <("$1/parley" options --markdown) || {
    printf 'the table in README.md is not what `parley options --markdown` prints\n'
    status=1
}
exit $status
