#!/usr/bin/env bash
# Shell scripts pass shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."

grep -rlIE --exclude-dir=node_modules '^#!.*(bash|/sh)' .ci conf src tests | sort | xargs shellcheck -x
