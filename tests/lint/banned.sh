#!/usr/bin/env bash
# What no C file may hold: // comments and struct typedefs, in src also unbounded or stateful calls; and what no file may hold:
# notes of work to be done.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
find src tests -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
FNR == 1 { inside = 0 }
{
    line = $0
    # Without texts, characters and comments.
    gsub(/\\\\|\\"|\\\047/, "", line)
    gsub(/"[^"]*"/, "\"\"", line)
    gsub(/\047[^\047]*\047/, "0", line)
    if (inside) {
        if (!sub(/^.*\*\//, "", line))
            next
        inside = 0
    }
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
    if (sub(/\/\*.*/, "", line))
        inside = 1
    if (line ~ /\/\//)
        fault("a // comment")
    if (FILENAME ~ /^src/ && match(line, /(^|[^A-Za-z0-9_])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|alloca|rand|tmpnam|mktemp|localtime|gmtime|ctime|asctime) *\(/))
        fault("a banned call: " substr(line, RSTART))
    if (line ~ /typedef +(struct|union|enum)/)
        fault("a typedef of a struct")
}
function fault(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    bad = 1
}
END { exit bad }
' || status=1

notes='TO''DO|FIX''ME|XX''X'
if grep -rnIwE "$notes" --exclude-dir=corpus --exclude-dir=node_modules src sql conf nginx tests configure.ac Makefile.am README.md; then
    printf 'a note of work to be done\n'
    status=1
fi
exit $status
