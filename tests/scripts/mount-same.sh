#!/bin/bash
# A directory of the host in a box (--mount) behaves as it does natively: the same program prints the same lines and
# leaves the same files.
set -euo pipefail
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/native" "$dir/box"
umask 022
me=$(id -u):$(id -g)
env -u PYTHONDONTWRITEBYTECODE python3 "$BELLJAR_SOURCE/tests/mount/exercise.py" "$dir/native" >"$dir/native.out" || bad "natively: $(tail -3 "$dir/native.out")"
"$BELLJAR" --user "$me" --mount "$dir/box:/mnt:rw" --mount "$BELLJAR_SOURCE/tests/mount:/tests" \
    python3 /tests/exercise.py /mnt >"$dir/box.out" || bad "in a box"
diff "$dir/native.out" "$dir/box.out" || bad "other lines"

# What is there, but for times and caches of python.
tree() {
    (cd "$1" && find . -name __pycache__ -prune -o -printf '%P %y %m %n %l %U %G ' \( -type d -printf 'dir\n' -o -printf '%s\n' \) | sort
        find . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 cat | sha256sum)
}
tree "$dir/native" >"$dir/native.tree"
tree "$dir/box" >"$dir/box.tree"
diff "$dir/native.tree" "$dir/box.tree" || bad "other files"
[ "$(wc -l <"$dir/box.tree")" -gt 25 ] || bad "what is there to be compared?"
exit "$failed"
