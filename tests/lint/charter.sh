#!/usr/bin/env bash
# Every C file opens with its charter: a comment that says what it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
while read -r file; do
    head -c 2 "$file" | grep -q '^/\*' || {
        printf '%s does not begin with a comment\n' "$file"
        status=1
    }
done < <(find src tests -name '*.[ch]' | sort)
exit $status
