#!/usr/bin/env bash
# Every source file stands in src/README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
while read -r file; do
    folder=$(basename "$(dirname "$file")")
    name=$(basename "$file")
    # In the table of its folder, as "name", or with its ending where no other kind has the name.
    sed -n "/^| $folder\/ /,/^\$/p" src/README.md | grep -qE "^\|.*\b(${name%.*}|$name)\b" || {
        printf 'src/README.md does not tell of %s\n' "$file"
        status=1
    }
done < <(find src -mindepth 2 -name '*.[ch]' -o -mindepth 2 -name '*.awk' | sort)
exit $status
