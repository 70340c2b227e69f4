#!/bin/bash
# Every shell script of the tree parses, and passes shellcheck where that is installed.
set -eu
cd "$BELLJAR_SOURCE"
mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' --exclude-dir=build --exclude-dir=.git .)
scripts+=(tools/setup.sh tools/debian.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
if command -v shellcheck >/dev/null; then
    # SC2016: the scripts that are handed to a box stand in single quotes on purpose. SC2002: a pipe in front is what a case wants to be fed by.
    shellcheck -x -e SC2016,SC2002 "${scripts[@]}"
fi
