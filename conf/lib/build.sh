# Stage two of up.sh: from the copy of the sources to the program in $state/app.
# shellcheck shell=bash
: "${state:=}"

# The page is there, or cannot be: it is tried again at each start once Node is installed.
page_is_done() {
    [[ -f $state/app/share/parley/web/index.html ]] || ! command -v npm >/dev/null
}

build_is_done() {
    page_is_done && [[ -x $state/app/bin/parley && $(cat "$state/build/.built" 2>/dev/null) == "$(<"$state/src/.tree")" ]]
}

# Names what is missing before the work begins, not after.
programs_check() {
    local name missing=() wanted=(nginx curl)
    build_is_done || wanted+=(autoreconf automake make pkg-config "${CC:-gcc}")
    for name in "${wanted[@]}"; do
        command -v "${name%% *}" >/dev/null || missing+=("$name")
    done
    ((${#missing[@]} == 0)) ||
        die "not found: ${missing[*]}; put them on the PATH, or start once without --no-apt (conf/packages lists what is needed)"
}

# Runs a step of the build; its output goes to the build's log, whose end is shown when it fails.
build_step() {
    printf '\n== %s\n' "$*" >>"$state/log/build.log"
    "$@" >>"$state/log/build.log" 2>&1 && return 0
    tail -n 30 "$state/log/build.log" >&2
    die "building failed at \"$1\"; the whole output is in $state/log/build.log"
}

build() {
    if build_is_done; then return 0; fi
    if [[ -f $state/build/config.status ]]; then say "building what changed"; else say "building (the first time takes a minute)"; fi
    mkdir -p "$state/build"
    : >"$state/log/build.log"
    cd "$state/src"
    if [[ ! -x configure || configure.ac -nt configure || Makefile.am -nt Makefile.in ]]; then build_step autoreconf -fi; fi
    cd "$state/build"
    if [[ ! -f config.status || "$state/src/configure" -nt config.status ]] || ! page_is_done; then
        build_step "$state/src/configure" --prefix="$state/app"
    fi
    build_step make -j "$(nproc)"
    build_step make install
    cd "$state"
    cp "$state/src/.tree" "$state/build/.built"
    if [[ ! -f $state/app/share/parley/web/index.html ]]; then
        say "without the page, which npm could not build (see $state/log/build.log); the API is whole"
    fi
}
