#!/usr/bin/env bash
# Every SQL file but the administrator's roles.sql is built in, every named query is used, and no C file holds SQL of its own but BEGIN, COMMIT, ROLLBACK and SET LOCAL in src/db.
# $1: a build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ -f $1/.built ]] || { printf 'the program was not built\n' && exit 1; }

status=0
fault() {
    printf '%s\n' "$*"
    status=1
}

while read -r file; do
    grep -qF "$file" Makefile.am || fault "$file does not stand in Makefile.am"
done < <(find sql -name '*.sql' ! -name roles.sql | sort)

while read -r query; do
    grep -rqw --include='*.c' "$query" src || fault "$query is used by nobody"
done < <(grep -owE 'QUERY_[A-Z0-9_]+' "$1/src/db/queries.h" | grep -vE '^QUERY_(COUNT|MAX|NONE)$|_H$' | sort -u)

found=$(find src -name '*.[ch]' -print0 | xargs -0 grep -niE '"[^"]*\b(select .* from|insert into|update [a-z_.]+ set|delete from|create (table|role|schema|policy)|alter (table|role)|drop (table|schema|policy))\b' || true)
[[ -z $found ]] || fault "SQL in C:"$'\n'"$found"
found=$(find src -name '*.[ch]' ! -path 'src/db/*' -print0 | xargs -0 grep -nE '"(BEGIN|COMMIT|ROLLBACK|SET LOCAL|SET )' || true)
[[ -z $found ]] || fault "transactions are src/db's:"$'\n'"$found"
exit $status
