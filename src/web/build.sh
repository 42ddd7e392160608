#!/bin/sh
# Builds the page into a folder, for the Makefile: build.sh FOLDER [auto]. The packages are those of WEB_MODULES (a folder node_modules), of node_modules
# beside this file, or what npm ci brings for package-lock.json, kept in FOLDER-packages. With "auto" a page that cannot be built is left out.
set -eu

source=$(cd "$(dirname "$0")" && pwd)
target=$1
mode=${2:-yes}
packages=$target-packages

fail() {
    rm -rf "$target"
    echo "$1" >&2
    if [ "$mode" = auto ]; then
        echo "going on without the page" >&2
        exit 0
    fi
    exit 1
}

# npm ci, once for a lock file.
fetch() {
    cmp -s "$source/package-lock.json" "$packages/.done" && return
    rm -rf "$packages"
    mkdir -p "$packages"
    cp "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$packages/"
    (cd "$packages" && "${NPM:-npm}" ci --ignore-scripts) >"$packages/npm.log" 2>&1 || {
        tail -n 5 "$packages/npm.log" >&2
        fail "npm ci did not bring the packages of the page (is there a network?)"
    }
    cp "$source/package-lock.json" "$packages/.done"
}

modules=${WEB_MODULES:-$source/node_modules}
if [ ! -d "$modules/esbuild" ]; then
    fetch
    modules=$packages/node_modules
fi
WEB_MODULES=$(cd "$modules" && pwd) "${NODE:-node}" "$source/build.mjs" "$target" >"$target.log" || fail "the page could not be bundled"
