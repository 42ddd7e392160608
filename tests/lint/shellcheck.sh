#!/usr/bin/env bash
# Shell scripts pass shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."

grep -rlIE '^#!.*(bash|/sh)' .ci conf tests | sort | xargs shellcheck -x
