#!/bin/bash
# Deltas of an image on a web server, committed into the image here: a plain one is named by URL and version, a packed
# one by its content.
# ctest: TIMEOUT 240
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
export XDG_CACHE_HOME=$work/cache # tests that are under way at the same time have others
serve --delay 0
cp --sparse=always "$BELLJAR_IMAGE" "$work/files/image"
cd "$work" || exit 1
# shellcheck disable=SC2154 # from serve
"$BELLJAR" --image "$url/image" --delta plain.delta -- sh -c 'echo plain >/root/which; sync' || bad "a box from the server"
"$BELLJAR" image commit "$BELLJAR_IMAGE" plain.delta -o new.ext2 2>log && bad "its delta fits without a word"
has "what is said" "$(cat log)" "another image"
"$BELLJAR" image diff --from-server "$BELLJAR_IMAGE" plain.delta >log || bad "diff --from-server"
has "the difference" "$(cat log)" "A /root/which"
is "a file of it" "$("$BELLJAR" image export --from-server --delta plain.delta "$BELLJAR_IMAGE" /root/which)" plain
"$BELLJAR" image commit --from-server "$BELLJAR_IMAGE" plain.delta -o new.ext2 >log || bad "commit --from-server"
e2fsck -fn new.ext2 >log 2>&1 || bad "e2fsck: $(cat log)"
is "what a box of it finds" "$("$BELLJAR" --image new.ext2 -- cat /root/which)" plain
truncate -s +1M files/image
"$BELLJAR" image diff --from-server files/image plain.delta 2>log && bad "an image of another length"
has "an image of another length" "$(cat log)" "another image"

"$BELLJAR" image pack --level 1 "$BELLJAR_IMAGE" files/packed >log || bad "pack"
"$BELLJAR" --image "$url/packed/manifest" --delta packed.delta -- sh -c 'echo packed >/root/which; sync' || bad "a box from the packed image"
is "a packed image's delta" "$("$BELLJAR" image export --delta packed.delta "$BELLJAR_IMAGE" /root/which)" packed
exit $failed
