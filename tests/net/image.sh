#!/bin/bash
# belljar image of what lies on a web server: it works, or one line says what to do; and no password is ever printed.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
export PATH=$PATH:/usr/sbin:/sbin
serve --delay 0
cd "$work/files" || exit 1
truncate -s 16M four
mke2fs -q -F -t ext4 -b 4096 -L label four >../log 2>&1 || bad "mke2fs: $(cat ../log)"
cp four damaged
debugfs -w -R "feature +needs_recovery" damaged 2>/dev/null >../log
truncate -s 1M zeros
"$BELLJAR" image pack four packed >../log || bad "image pack: $(cat ../log)"
host=${url#http://}
from=http://me:secret@$host

# image STATUS COMMAND [ARGUMENT...]: what it says of both streams.
image() {
    local status=$1 out got
    shift
    out=$(XDG_CACHE_HOME=$work/cache "$BELLJAR" image "$@" 2>&1)
    got=$?
    [ $got = "$status" ] || bad "image $*: status $got: $out"
    [[ $out != *secret* ]] || bad "image $*: it tells the password: $out"
    printf '%s' "$out"
}
refused() { # PATTERN COMMAND...
    local out
    out=$(image 125 "${@:2}")
    # shellcheck disable=SC2053 # a pattern
    [[ $out == $1 ]] || bad "image ${*:2}: got '$out', wanted '$1'"
}

is 'info' "$(image 0 info "$from/four?secret#secret")" "$(image 0 info four | sed "1s|.*|$url/four|")"
is 'info, from the cache' "$(image 0 info "$from/four?secret#secret")" "$(image 0 info four | sed "1s|.*|$url/four|")"
has 'info of several' "$(image 1 info "$from/four" "$from/damaged")" 'cannot mount it: its journal must be replayed'
has 'info, packed' "$(image 0 info "$from/packed/manifest")" "$url/packed/manifest"
has 'verify, packed' "$(image 0 verify "$from/packed/manifest?secret")" "$url/packed/manifest: 4 chunks are there and right"
refused "belljar: $url/zeros: not an ext2, ext3 or ext4 image" info "$from/zeros"
refused "belljar: $url/none: is not there (404)" info "$from/none?secret"
refused "belljar: $url/~no-ranges/four: the server gives no ranges (it answers with all of it)" info "$from/~no-ranges/four"
refused "belljar: $url/~500/four: the server answers with status 500 (tried 5 times)" info "$from/~500/four"
refused "belljar: http://127.0.0.1:1/four: Failed to connect *" info http://me:secret@127.0.0.1:1/four?secret
refused "belljar: image verify: $url/four: it is no packed image: *" verify "$from/four"
refused "belljar: image unpack: $url/four: it is no packed image: *" unpack "$from/four" "$work/new"
refused "belljar: image pack: $url/four: it must be downloaded first" pack "$from/four" "$work/new"
refused "belljar: image profile: *must be on this machine*" profile "$from/four" -- true
for command in "diff A d" "export A /" "commit A d -o n"; do
    # shellcheck disable=SC2086 # words
    refused "belljar: $url/four: it must be downloaded first" ${command/A/$from/four?secret}
    # shellcheck disable=SC2086 # words
    refused "belljar: $url/packed/manifest: it must be unpacked (belljar image unpack) first" ${command/A/$from/packed/manifest}
done
[ ! -e "$work/new" ] || bad 'something was made'
out=$(XDG_CACHE_HOME=$work/cache "$BELLJAR" --image "$from/zeros?secret" true 2>&1)
is 'a box' "$out" "belljar: $url/zeros: not an ext2, ext3 or ext4 image"
exit $failed
