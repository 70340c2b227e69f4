#!/bin/bash
# A plain image as a source of pieces (disk/source_plain.c): its note in the pool, a new version, what cannot be had.
# ctest: TIMEOUT 120
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve --delay 0
file=$work/files/f
head -c 9000001 /dev/urandom >"$file"
head -c 100 /dev/urandom >"$work/files/small"
: >"$work/files/empty"
mkdir "$work/pool"
# source [OPTION...] URL FILE: its output, one line; and a status that is not "a wrong byte".
source_of() {
    timeout 30 "$NET_SOURCE" --tries 3 --stall 1 "$@" 2>&1 | tr '\n' ';'
    local status=${PIPESTATUS[0]}
    ((status < 2)) || printf 'status %s' "$status"
}
# ends WHAT PATTERN ARGUMENT...
ends() {
    local got
    got=$(source_of "${@:3}")
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $2 ]] || bad "$1: got '$got', wanted '$2'"
}

ends 'an image' 'OK pieces * failed 0 *;' "$url/f" "$file"
ends 'of one chunk' 'OK pieces 1 failed 0 requests 1;' --wants 0 "$url/small" "$work/files/small"
ends 'empty' 'ENDED the image is empty;' "$url/empty" "$file"
ends 'not there' 'ENDED *: is not there (404);' "$url/none" "$file"
ends 'no ranges' 'ENDED *: the server gives no ranges (it answers with all of it);' "$url/~no-ranges/f" "$file"
ends 'no version' 'ENDED *: the server names no version of it (*;' "$url/~no-version/f" "$file"
ends 'too large' 'ENDED the image has 9223372036854775807 bytes: too many;' "$url/~huge-total/f" "$file"
ends 'of all zeros, local' 'OPENED;OK pieces * failed 0 requests 0;' --local - "$file"
ends 'no file' 'ENDED *: No such file or directory;' --local - /none
ends 'no image' 'ENDED /proc/self: is no image*;' --local - /proc/self

# Bad lines in between change nothing.
for wrong in 500=3@2 short-body=3@2 reset=3@2 stall-body=2@2 wrong-content-range=2@2 capped-range redirect close; do
    ends "$wrong" 'OK pieces * failed 0 *;' --seed $RANDOM "$url/~$wrong/f" "$file"
done
ends 'gone meanwhile' 'FAILED *: is not there (404);OK pieces * failed [1-9]*;' "$url/~404@3/f" "$file"
ends 'changed meanwhile' "ENDED *: has changed on the server since $(date -u +%Y)-*; run it again to use the new one;" "$url/~change@3/f" "$file"
ends 'no ranges any more' 'FAILED *: the server gives no ranges*;OK pieces *;' "$url/~no-ranges@3/f" "$file"

# The second time a note opens it; whether it still holds is asked meanwhile. Nothing else is, if nothing is wanted.
ends 'with a note' 'OK pieces * failed 0 *;' --pool "$work/pool" "$url/f" "$file"
ends 'with a note' 'OPENED;OK pieces 0 failed 0 requests 0;' --pool "$work/pool" --wants 0 "$url/f" "$file"
ends 'with a note, checked' 'OPENED;OK pieces 0 failed 0 requests 1;' --pool "$work/pool" --wants 0 --check "$url/f" "$file"
ends 'with a password, a note' 'OPENED;OK pieces 0 failed 0 requests 0;' --pool "$work/pool" --wants 0 "http://me:secret@${url#http://}/f#part" "$file"
head -c 9000001 /dev/urandom >"$file"
touch -d 2001-01-01 "$file"
ends 'changed since' "OPENED;ENDED $url/f: has changed on the server since $(date -u +%Y)-*; run it again to use the new one;" --pool "$work/pool" --wants 0 --check "$url/f" "$file"
ends 'opened anew' 'OK pieces * failed 0 *;' --pool "$work/pool" "$url/f" "$file"
head -c 9000002 /dev/urandom >"$file"
cp "$file" "$work/copy"
ends 'longer, not checked' "OPENED;SIZE 9000001;ENDED *: has changed on the server since *;" --pool "$work/pool" "$url/f" "$work/copy"
ends 'a note, and no server' 'OK pieces * failed 0 *;' --pool "$work/pool" "$url/f" "$file"
kill "${servers[@]}"
wait "${servers[@]}" 2>/dev/null
ends 'a note, and no server' 'OPENED;FAILED *: Failed to connect*;OK pieces 0 failed [1-9]*;' --pool "$work/pool" --check "$url/f" "$file"
exit $failed
