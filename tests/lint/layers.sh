#!/usr/bin/env bash
# Includes point down only: main -> server -> api, relay -> core, auth -> http, db -> base; core never sees http; http and db never meet.
# And one library, one file.
set -euo pipefail
cd "$(dirname "$0")/../.."

find src -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
BEGIN {
    may["base"] = "base"
    may["db"] = "db base"
    may["http"] = "http base"
    may["core"] = "core db base"
    may["auth"] = "auth core http db base"
    may["api"] = "api core auth http db base"
    may["relay"] = "relay core auth http db base"
    may["server"] = "server api relay core auth http db base"
    may["src"] = "server api relay core auth http db base"
    home["libpq-fe.h"] = "src/db/"
    home["fcgiapp.h"] = "src/http/fcgi.c"
    home["json-c/"] = "src/base/json.c"
    home["json.h"] = "src/base/json.c"
    home["openssl/"] = "src/base/crypto.c"
    home["pcre2.h"] = "src/base/pattern.c"
    home["curl/"] = "src/relay/transfer.c"
}
/^# *include *"/ {
    split(FILENAME, part, "/")
    layer = part[2] ~ /\./ ? "src" : part[2]
    target = $0
    sub(/^# *include *"/, "", target)
    sub(/".*/, "", target)
    split(target, piece, "/")
    if (index(target, "/") && !index(" " may[layer] " ", " " piece[1] " "))
        fault(layer " must not include " target)
    else if (!index(target, "/"))
        fault("includes " target " without its folder")
}
/^# *include *</ {
    target = $0
    sub(/^# *include *</, "", target)
    sub(/>.*/, "", target)
    for (library in home)
        if (index(target, library) == 1 && index(FILENAME, home[library]) != 1)
            fault("only " home[library] " includes " target)
}
function fault(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    bad = 1
}
END { exit bad }
'
