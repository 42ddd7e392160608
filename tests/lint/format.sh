#!/usr/bin/env bash
# C is laid out by .clang-format.
set -euo pipefail
cd "$(dirname "$0")/../.."

find src tests -name '*.[ch]' -print0 | sort -z | xargs -0 clang-format-14 --dry-run -Werror
