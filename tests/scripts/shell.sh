#!/bin/bash
# Every shell script of the tree parses, and passes shellcheck where that is installed.
set -eu
cd "$BELLJAR_SOURCE"
mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' --exclude-dir=build --exclude-dir=.git .)
scripts+=(tools/setup.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
    shellcheck -x "${scripts[@]}"
fi
