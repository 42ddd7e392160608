#!/usr/bin/env bash
# The sources speak of the program alone: no addresses of package registries, no numbers of tickets.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
search() { # WHAT PATTERN
    if grep -rnIE --exclude-dir=corpus --exclude-dir=node_modules --exclude-dir=build-aux --exclude=words.sh --exclude=package-lock.json \
        "$2" README.md configure.ac Makefile.am .ci conf nginx sql src tests; then
        printf '%s\n' "$1"
        status=1
    fi
}
search 'an address of a package registry' 'npmjs|pypi\.|crates\.io|deb\.debian|proxy\.golang|registry\.[a-z]'
search 'a number of a ticket' '(^|[[:space:]("])(#|[Ii]ssue )[0-9]+\b'
exit $status
