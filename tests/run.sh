#!/usr/bin/env bash
# Runs the tests, tier by tier, and prints what ran, failed and was skipped. Installs what the tests need. Works on a copy in a temporary folder; root
# becomes nobody for it. A tier writes a line for each test to its results: pass, fail or skip, a tab, the name, a tab, the reason.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=conf/common.sh
. "$top/conf/common.sh"

all_tiers=(lint unit sql http fault clients web fuzz install)
budget=1200

usage() {
    cat <<'END'
usage: tests/run.sh [--require-all] [--no-apt] [--keep] [tier...]

Tiers, all unless some are named:
  lint      the rules of the sources
  unit      modules in C, built by gcc and clang, with sanitizers and under valgrind
  sql       the schema and the database layer, on a PostgreSQL of its own
  http      the whole program behind a real nginx, once as built and once with sanitizers
  fault     the same while processes are killed
  clients   clients and a model server that come from npm, against the running program
  web       the page in a real browser
  fuzz      the corpora, and a few seconds of new input
  install   up.sh, down.sh, the README's commands, make distcheck

  --require-all   a skipped test is a failure
  --no-apt        install nothing
  --keep          keep the temporary folder
END
}

# ---- stage one: packages, a copy, another user ----

# Ends what a test may have left: processes that live in the work folder or name it.
sweep() {
    local folder pid
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/}
        if [[ $pid == "$$" || $(readlink "$folder/cwd" 2>/dev/null) != "$1"* &&
            $(tr '\0' ' ' 2>/dev/null <"$folder/cmdline") != *"$1"* ]]; then continue; fi
        kill -s "$2" "$pid" 2>/dev/null || true
    done
}

clean() {
    sweep "$work" TERM
    sleep 0.3
    sweep "$work" KILL
    if [[ $opt_keep == yes ]]; then
        say "the work folder is $work"
    else
        rm -rf "$work"
    fi
}

# The packages of a folder, with the caller's own settings of npm and what is in its cache. They stand beside the copy of the sources, those
# of tests/clients where its scripts find them: in a folder above.
modules_install() { # FOLDER, a place in the work folder
    local log=$work/$2/npm.log
    command -v npm >/dev/null || return 0
    mkdir -p "$work/$2"
    cp "$work/tree/$1"/{package.json,package-lock.json,.npmrc} "$work/$2/"
    (cd "$work/$2" && npm ci --ignore-scripts --prefer-offline) >"$log" 2>&1 ||
        say "npm ci does not work here (is there a network?): what needs the packages of $1 is skipped; $log says why"
}

wanted() { # TIER: whether it was asked for
    [[ " ${tiers[*]:-${all_tiers[*]}} " == *" $1 "* ]]
}

stage_one() {
    local step_down=() status=0 user
    packages_install 'up|web|test' "$opt_apt"
    work=$(mktemp -d "${TMPDIR:-/tmp}/parley.XXXXXX")
    cd /
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$work/tree" "$work/home" "$work/out" "$work/tmp"
    tree_pack | tar -x -m -C "$work/tree"
    if wanted lint; then modules_install tests/openapi openapi; fi
    if wanted clients; then modules_install tests/clients .; fi
    if wanted web; then modules_install tests/web browser; fi
    if wanted web || wanted install; then modules_install src/web page; fi
    user=$(id -un)
    if ((EUID == 0)); then
        user=nobody
        chown -R nobody: "$work"
        step_down=(setpriv --reuid=nobody "--regid=$(id -g nobody)" --clear-groups)
    fi
    timeout --foreground -k 30 $((budget + 60)) "${step_down[@]}" env -i PATH="$PATH" HOME="$work/home" USER="$user" \
        TMPDIR="$work/tmp" LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PARLEY_TEST_WORK="$work" \
        WEB_MODULES="$work/page/node_modules" \
        bash "$work/tree/tests/run.sh" "$@" &
    wait $! || status=$?
    exit "$status"
}

# ---- results ----

result() { # TIER pass|fail|skip NAME [REASON]
    printf '%s\t%s\t%s\n' "$2" "$3" "${4:-}" >>"$out/$1.tsv"
}

# passes or fails NAME by the status of the command; its output goes to the tier's log.
check() { # TIER NAME COMMAND...
    local tier=$1 name=$2
    shift 2
    printf '\n== %s: %s\n' "$tier" "$name" >>"$out/$tier.log"
    if "$@" >>"$out/$tier.log" 2>&1; then
        result "$tier" pass "$name"
    else
        result "$tier" fail "$name" "see the log"
        return 1
    fi
}

have() { # TIER TEST COMMAND: whether the command is there; else the test is skipped
    command -v "$3" >/dev/null || { result "$1" skip "$2" "$3 is not installed" && return 1; }
}

have_modules() { # TIER TEST PLACE: whether npm has installed its packages; else the test is skipped
    [[ -d $work/$3/node_modules ]] && return
    result "$1" skip "$2" "npm ci did not install its packages: $(grep -m 1 -E 'npm (ERR!|error)' "$work/$3/npm.log" 2>&1)"
    return 1
}

# ---- building ----

# Builds the program and its tests in $work/build-NAME, once; the results are those of the tier that asks first.
build() { # TIER NAME CC CONFIGURE-ARGUMENTS...
    local tier=$1 name=$2 cc=$3 programs
    shift 3
    local folder=$work/build-$name
    if [[ -f $folder/.built ]]; then return; fi
    if [[ -d $folder ]]; then
        result "$tier" fail "$name" "did not build; see the tier that was the first to need it"
        return 1
    fi
    mkdir "$folder"
    cd "$folder"
    check "$tier" "$name: configure" "$tree/configure" CC="$cc" --prefix=/usr --enable-werror --with-web=no "$@" || return
    programs=$(make_variable check_PROGRAMS)
    # shellcheck disable=SC2086
    check "$tier" "$name: builds without a warning" make -s -j2 all $programs || return
    touch .built
    cd "$tree"
}

make_variable() { # NAME: the value of a variable of the Makefile here
    # shellcheck disable=SC2016
    printf 'include Makefile\nshow:\n\t@echo $(%s)\n' "$1" | make -s -f - show | sed 's/\$(EXEEXT)//g'
}

build_gcc() { build "$1" gcc gcc; }
build_clang() { have "$1" "clang: builds without a warning" clang && build "$1" clang clang; }
build_sanitized() { build "$1" sanitized "gcc" CFLAGS='-O1 -g' --enable-sanitizers; }
build_fuzz() { build "$1" fuzz clang CFLAGS='-O1 -g' --enable-sanitizers --enable-fuzz; }

# ---- runners ----

# A CUnit program: the counts come from its summary, the names of failures from its list.
cunit() { # TIER NAME COMMAND...
    local tier=$1 name=$2 status=0
    shift 2
    printf '\n== %s: %s\n' "$tier" "$name" >>"$out/$tier.log"
    "$@" >"$out/$name.cunit" 2>&1 || status=$?
    cat "$out/$name.cunit" >>"$out/$tier.log"
    awk -v name="$name" -v status="$status" -f "$tree/tests/lib/cunit.awk" "$out/$name.cunit" >>"$out/$tier.tsv"
}

# A folder of pytest files; further arguments are VARIABLE=value.
pytest() { # TIER NAME FOLDER [VARIABLE=value...]
    local tier=$1 name=$2 folder=$3 status=0
    shift 3
    env "$@" /usr/bin/python3 -m pytest -p no:cacheprovider -q -ra --timeout=180 --rootdir="$tree/tests" -c /dev/null \
        --junitxml="$out/$name.xml" "$folder" >"$out/$name.out" 2>&1 || status=$?
    cat "$out/$name.out" >>"$out/$tier.log"
    /usr/bin/python3 "$tree/tests/lib/report.py" "$name" "$status" "$out/$name.xml" >>"$out/$tier.tsv"
}

# ---- tiers ----

tier_lint() {
    local rule
    build_gcc lint || true
    for rule in "$tree"/tests/lint/*.sh; do
        check lint "$(basename "$rule" .sh)" bash "$rule" "$work/build-gcc" || true
    done
    if have lint openapi node && have_modules lint openapi openapi; then
        check lint openapi "$work/openapi/node_modules/.bin/redocly" lint --config tests/openapi/redocly.yaml --max-problems=100 \
            conf/openapi.yaml || true
    fi
}

tier_unit() {
    if build_gcc unit; then
        cunit unit unit-gcc "$work/build-gcc/unit"
        if have unit unit-valgrind valgrind; then
            cunit unit unit-valgrind valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
                --errors-for-leak-kinds=definite "$work/build-gcc/unit" &
        fi
    fi
    if build_clang unit; then cunit unit unit-clang "$work/build-clang/unit"; fi
    if build_sanitized unit; then cunit unit unit-sanitized "$work/build-sanitized/unit"; fi
    wait
}

tier_sql() {
    local name
    for name in gcc sanitized; do
        "build_$name" sql || continue
        cunit sql "db_test-$name" /usr/bin/python3 "$tree/tests/lib/with_postgres.py" "$work/build-$name/db_test"
    done
    [[ -f $work/build-gcc/.built ]] || return
    pytest sql sql "$tree/tests/sql" PARLEY_BIN="$work/build-gcc/parley"
}

# Most of these tests wait more than they work, so both programs are tested at once.
tier_http() {
    if build_gcc http; then pytest http http "$tree/tests/http" PARLEY_BIN="$work/build-gcc/parley" & fi
    if build_sanitized http; then pytest http http-sanitized "$tree/tests/http" PARLEY_BIN="$work/build-sanitized/parley"; fi
    wait
}

# What waits more than it works does so beside the rest.
tier_fault() {
    local program=$work/build-gcc/parley part file beside=()
    build_gcc fault || return
    for part in patience killed; do
        file=$tree/tests/fault/test_turns_$part.py
        pytest fault "fault-$part" "$file" PARLEY_BIN="$program" &
        beside+=("--ignore=$file")
    done
    pytest fault fault "$tree/tests/fault" PARLEY_BIN="$program" PYTEST_ADDOPTS="${beside[*]}"
    wait
}

tier_clients() {
    build_gcc clients && have clients clients node && have_modules clients clients . || return
    pytest clients clients "$tree/tests/clients" PARLEY_BIN="$work/build-gcc/parley"
}

tier_web() {
    local number=0 half flows='account or chats or craft'
    build_gcc web && have web web node && have web web chromium && have_modules web web browser && have_modules web web page || return
    check web "the page is bundled" node "$tree/src/web/build.mjs" "$work/bundle" || return
    # Two browsers at once: one person's flows wait for the other's.
    for half in "$flows" "not ($flows)"; do
        pytest web "web-$((++number))" "$tree/tests/web" PARLEY_BIN="$work/build-gcc/parley" PARLEY_WEB="$work/bundle" \
            WEB_TEST_MODULES="$work/browser/node_modules" PYTEST_ADDOPTS="-k '$half'" &
    done
    wait
}

# All at once: what each finds it finds by itself.
tier_fuzz() {
    local target folder
    have fuzz "the fuzz targets" clang && build_fuzz fuzz || return
    cd "$work/build-fuzz"
    for target in $(make_variable FUZZ_TARGETS); do
        folder=$work/tmp/corpus-$target
        mkdir -p "$folder"
        check fuzz "$target: the corpus" "./fuzz_$target" -runs=0 "$tree/tests/fuzz/corpus/$target" || true
        check fuzz "$target: new input" "./fuzz_$target" -max_total_time=16 -timeout=20 -rss_limit_mb=1024 "$folder" \
            "$tree/tests/fuzz/corpus/$target" &
    done
    wait
    cd "$tree"
}

tier_install() {
    pytest install install "$tree/tests/install"
}

# ---- stage two: run them ----

limit_of() { # TIER: seconds that it may take
    case $1 in
    unit) echo 480 ;;
    http | fault | web | install) echo 420 ;;
    *) echo 300 ;;
    esac
}

# Runs a tier as a child that ends when its time is up.
run_tier() {
    local tier=$1 status=0 begun=$SECONDS limit pid watch
    limit=$(limit_of "$tier")
    if ((limit > budget - SECONDS)); then limit=$((budget - SECONDS)); fi
    : >"$out/$tier.log"
    : >"$out/$tier.tsv"
    if ((limit <= 0)); then
        result "$tier" fail "$tier" "no time was left: all tiers together may take $budget seconds"
        limit=0
    else
        set -m
        (set +e && "tier_$tier") </dev/null >>"$out/$tier.log" 2>&1 &
        pid=$!
        (sleep "$limit" && kill -TERM -- "-$pid" && sleep 10 && kill -KILL -- "-$pid") >/dev/null 2>&1 &
        watch=$!
        set +m
        wait "$pid" || status=$?
        kill -TERM -- "-$watch" 2>/dev/null || true
        wait "$watch" 2>/dev/null || true
    fi
    if ((status > 128)); then result "$tier" fail "$tier" "ended by signal $((status - 128)) after $((SECONDS - begun)) seconds (it may take $limit)"; fi
    if [[ ! -s $out/$tier.tsv ]]; then result "$tier" fail "$tier" "nothing ran"; fi
    printf '%s\n' $((SECONDS - begun)) >"$out/$tier.seconds"
    if grep -q '^fail' "$out/$tier.tsv"; then
        printf '\n---- %s failed; the end of its log:\n' "$tier"
        tail -n 100 "$out/$tier.log"
    fi
}

count() { # RESULT TIER...
    local word=$1
    shift
    cat "${@/%/.tsv}" | grep -c "^$word" || true
}

print_table() {
    local tier word
    cd "$out"
    printf '\n%-8s %7s %7s %8s %8s\n' tier run failed skipped seconds
    for tier in "$@"; do
        printf '%-8s %7d %7d %8d %8d\n' "$tier" $(($(count pass "$tier") + $(count fail "$tier"))) "$(count fail "$tier")" \
            "$(count skip "$tier")" "$(<"$tier.seconds")"
        for word in fail skip; do
            awk -F '\t' -v word="$word" '$1 == word { printf "         %s: %s (%s)\n", word, $2, $3 }' "$tier.tsv"
        done
    done
    printf '\n%d passed, %d failed, %d skipped\n' "$(count pass "$@")" "$(count fail "$@")" "$(count skip "$@")"
}

stage_two() {
    local tier
    work=$PARLEY_TEST_WORK
    tree=$work/tree
    out=$work/out
    cd "$tree"
    autoreconf -fi >"$out/autoreconf.log" 2>&1 || {
        cat "$out/autoreconf.log"
        die "autoreconf failed"
    }
    for tier in "$@"; do
        printf '%s ...\n' "$tier"
        run_tier "$tier"
    done
    print_table "$@"
    if (($(count fail "$@"))); then exit 1; fi
    if [[ $opt_require == yes ]] && (($(count skip "$@"))); then exit 1; fi
    exit 0
}

main() {
    local argument tiers=()
    opt_require=no
    opt_apt=yes
    opt_keep=no
    for argument in "$@"; do
        case $argument in
        --require-all) opt_require=yes ;;
        --no-apt) opt_apt=no ;;
        --keep) opt_keep=yes ;;
        --help | -h) usage && exit 0 ;;
        *)
            [[ " ${all_tiers[*]} " == *" $argument "* ]] || { usage >&2 && exit 2; }
            tiers+=("$argument")
            ;;
        esac
    done
    if [[ -z ${PARLEY_TEST_WORK:-} ]]; then stage_one "$@"; fi
    stage_two "${tiers[@]:-${all_tiers[@]}}"
}

main "$@"
