#!/usr/bin/env bash
# Functions of at most 70 lines, files of at most 600.
set -euo pipefail
cd "$(dirname "$0")/../.."

find src tests -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
FNR == 1 { begun = 0 }
/^\{/ { begun = FNR }
/^\}/ && begun {
    if (FNR - begun - 1 > 70)
        fault("a function of " FNR - begun - 1 " lines")
    begun = 0
}
FNR == 601 && FILENAME ~ /^src/ { fault("a file of more than 600 lines") }
function fault(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    bad = 1
}
END { exit bad }
'
