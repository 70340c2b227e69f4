#!/bin/bash
# Who asks is told why nothing is kept, or not used: belljar cache info and wait, --trace startup, --report. What needs root (file systems of
# one's own) is left out without, with a line.
# ctest: TIMEOUT 300
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'umount "$work"/mounted.* 2>/dev/null; rm -rf "$work"' EXIT
cp --sparse=always "$BELLJAR_IMAGE" "$work/image.ext2" # no other run changes it
image=$work/image.ext2
if "$BELLJAR" --code-cache none --image "$image" --trace jit -- /bin/true 2>&1 | grep -q '^jit: interpreting'; then
    echo 'nothing is translated here'
    exit 77
fi

# run DIR COMMAND...: a run, started by COMMAND, with the cache there. Its trace is in $said, its report in $report; then what wait says, and its status, in $waited.
run() {
    local dir=$1
    shift
    said=$("$@" "$BELLJAR" --image "$image" --code-cache "$dir" --trace startup --report "$work/report" -- python3 -c 'print(6*7)' 2>&1 >"$work/out")
    is "$dir: output" "$(cat "$work/out")" 42
    report=$(cat "$work/report")
    waited=$("$@" "$BELLJAR" cache wait --code-cache "$dir" 2>&1; echo $?)
}
info() { "$BELLJAR" cache info --code-cache "$1"; }
# in_vain DIR REASON: wait and info say so, each in one line.
in_vain() {
    is "$1: wait" "$(printf '%s\n' "$waited" | wc -l) ${waited##*$'\n'}" '2 125'
    has "$1: wait" "$waited" "belljar: cache: $image: $2"
    is "$1: lines of info" "$(info "$1" | grep -c "^  tried $(date +%Y)-.*  $image: $2")" 1
}

# An image that has just been changed; then one that is settled.
run "$work/cache"
has 'a new image' "$said" 'startup: code cache: not used: the image has been changed just now'
has 'a new image' "$report" '"cache_shards": 0, "cache_lacks": "the image has been changed just now"'
sleep 2.1

# All is well.
has 'nothing there' "$("$BELLJAR" cache info --code-cache "$work/nowhere")" "nothing is kept yet: cannot use $work/nowhere: "
run "$work/cache"
has 'the first run' "$said" 'startup: code cache: its file is not there yet'
has 'the first run' "$report" '"cache_lacks": "its file is not there yet"'
is 'the first run' "$waited" 0
has 'the first run' "$(info "$work/cache")" "$image: made "
lacks 'the first run' "$(info "$work/cache")" '  tried '
run "$work/cache"
[[ $said =~ 'startup: code cache: '[1-9][0-9]*' shards used' ]] || bad "the second run: $said"
[[ $report =~ '"cache_shards": '[1-9][0-9]*', "cache_lacks": null' ]] || bad "the second run: $report"
printf '%s' "$report" >"$work/report"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/report" || bad "no JSON: $report"

# Switched off, or with options that do without.
said=$("$BELLJAR" --image "$image" --code-cache none --trace startup -- /bin/true 2>&1)
has none "$said" 'code cache: not used: switched off'
said=$("$BELLJAR" --image "$image" --code-cache "$work/cache" --engine interp --trace startup -- /bin/true 2>&1)
has interp "$said" 'code cache: not used: these options do not go with it'

# The judge is not there: nothing is translated in vain, so each run tries again, and the first one that finds it fills.
mkdir "$work/empty"
printf 'not a library' >"$work/empty/libZydis.so.4.0"
for i in 1 2 3; do
    run "$work/unproven" env LD_LIBRARY_PATH="$work/empty"
    in_vain "$work/unproven" 'the verifier needs libZydis.so.4.0'
    [ "$i" = 1 ] || has "unproven, run $i" "$said" 'its file is not there yet, tried in vain: the verifier needs libZydis.so.4.0'
done
has 'no libZydis now' "$(LD_LIBRARY_PATH=$work/empty info "$work/unproven")" '  cannot be filled: the verifier needs libZydis.so.4.0'
run "$work/unproven"
is 'libZydis is back' "$waited" 0
lacks 'libZydis is back' "$(info "$work/unproven")" '  tried '

# Killed: what is known is that it was not done.
(
    "$BELLJAR" --image "$image" --code-cache "$work/killed" -- python3 -c 'import json, re, decimal, asyncio, unittest, email'
    for i in $(seq 1 100); do
        [ -s "$(echo "$work"/killed/tried-*)" ] && break
        sleep 0.01
    done
    find /proc/[0-9]*/fd -maxdepth 1 -lname "$(realpath "$work")/killed/busy" 2>/dev/null | cut -d/ -f3 | sort -u | xargs -r kill -9
) 2>/dev/null
waited=$("$BELLJAR" cache wait --code-cache "$work/killed" 2>&1; echo $?)
if [ -e "$(echo "$work"/killed/code-*)" ]; then
    echo 'killed: left out, it had ended before'
else
    in_vain "$work/killed" 'under way, or ended before it was done; to be tried again by the next run'
fi

# A file system without locks (flock).
cat >"$work/no_flock.c" <<'END'
#include <errno.h>
int flock(int fd, int operation)
{
    (void)fd, (void)operation;
    errno = ENOLCK;
    return -1;
}
END
if "${CC:-cc}" -shared -fPIC -o "$work/no_flock.so" "$work/no_flock.c" 2>/dev/null; then
    without=(env LD_PRELOAD="$work/no_flock.so" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0")
    for i in 1 2; do run "$work/unlocked" "${without[@]}"; done
    has 'no locks: wait' "$waited" 'belljar: cache: cannot lock the directory: No locks available'
    has 'no locks: the second run' "$said" 'tried in vain: the directory'
    has 'no locks: info' "$(info "$work/unlocked")" "  $image: the directory"
    has 'no locks: info' "$("${without[@]}" "$BELLJAR" cache info --code-cache "$work/unlocked")" "  cannot be filled: the directory's file system has no locks: No locks available"
    has 'no locks: info' "$(info "$work/unlocked")" 'No locks available; to be tried again by the next run'
else
    echo 'no locks: left out, there is no compiler'
fi

# File systems of our own: from which nothing can be run, too small, read-only.
mounted() { # NAME OPTIONS
    mkdir -p "$work/mounted.$1" && [ "$(id -u)" = 0 ] && mount -t tmpfs -o "mode=700,$2" none "$work/mounted.$1" 2>/dev/null && return
    echo "$1: left out, nothing can be mounted"
    return 1
}
if mounted noexec noexec; then
    for i in 1 2 3; do run "$work/mounted.noexec"; done
    in_vain "$work/mounted.noexec" "nothing can be run from the directory's file system"
    has 'noexec: info' "$(info "$work/mounted.noexec")" "  cannot be filled: nothing can be run from the directory's file system"
fi
if mounted small size=2m; then
    for i in 1 2; do
        run "$work/mounted.small"
        in_vain "$work/mounted.small" 'it cannot be written: No space left on device'
    done
    run "$work/mounted.small" # twice was enough, for a while
    has 'too small: the third run' "$said" "startup: code cache: nothing is added before $(date +%Y)-"
    has 'too small: the third run' "$said" ': it cannot be written: No space left on device'
    in_vain "$work/mounted.small" "it cannot be written: No space left on device; to be tried again after $(date +%Y)-"
    dd if=/dev/zero of="$work/mounted.small/filler" bs=64k status=none 2>/dev/null
    has 'full: info' "$(info "$work/mounted.small")" "  cannot be filled: the directory's file system is full"
fi
if mounted ro size=1m && mount -o remount,ro "$work/mounted.ro"; then
    run "$work/mounted.ro"
    has 'read-only: wait' "$waited" 'belljar: cache: cannot lock the directory: Read-only file system'
    has 'read-only: info' "$(info "$work/mounted.ro")" '  cannot be filled: the directory cannot be written to: Read-only file system'
fi
exit $failed
