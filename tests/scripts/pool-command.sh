#!/bin/bash
# belljar cache info and clear, where blocks of disk images are concerned; --cache-size. The pool itself: tests/pool.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work
pool=$BELLJAR_BUILD/tests/pool/pool-processes
disks=$work/belljar/disks

# Who looks makes nothing.
is 'info of nothing' "$("$BELLJAR" cache info disks 2>&1)$?" 'no blocks of disk images are kept yet0'
is 'clear of nothing' "$("$BELLJAR" cache clear 2>&1)$?" 0
is 'what looking leaves' "$(cd "$work" && echo *)" '*'
(umask 077 && mkdir -p "$disks")
is 'clear of an empty directory' "$("$BELLJAR" cache clear disks 2>&1)$?" 0
is 'what clearing makes' "$(cd "$disks" && echo *)" '*'

"$pool" add default 0 40 || bad 'cannot add'
is modes "$(stat -c %a "$disks" "$disks"/* | tr '\n' ' ')" '700 600 600 600 '
has info "$("$BELLJAR" cache info disks)" "$disks"
has info "$("$BELLJAR" cache info disks)" '  40 blocks of disk images, '
has 'info of both' "$("$BELLJAR" cache info)" ' MiB on disk of 2.0 GiB at most'
lacks 'info of the code cache' "$("$BELLJAR" cache info code)" 'disk images'
lacks 'info of a directory' "$("$BELLJAR" cache info --code-cache "$work/belljar")" 'disk images'
"$BELLJAR" cache clear code || bad 'clear code'
has 'after clear code' "$("$BELLJAR" cache info disks)" '  40 blocks'
is 'what is there' "$("$pool" check default 0 50)" '40 of 50'

# What somebody uses stays.
coproc "$pool" hold default 10 5
user=$COPROC_PID
read -r line <&"${COPROC[0]}"
is 'a user' "$line" 'holds 5'
has 'info with a user' "$("$BELLJAR" cache info disks)" ', 5 in use'
"$BELLJAR" cache clear || bad 'clear'
has 'clear with a user' "$("$BELLJAR" cache info disks)" '  5 blocks of disk images, '
echo >&"${COPROC[1]}"
wait "$user" || bad 'what was held is not what it was'
"$BELLJAR" cache clear disks || bad 'clear'
has 'clear' "$("$BELLJAR" cache info disks)" '  0 blocks of disk images, '
[ "$(du -k "$disks/blocks" | cut -f1)" -lt 64 ] || bad 'clear gives nothing back'

# Damaged, of others: one line, and status 125 where it cannot be put right.
chmod 660 "$disks/index"
is 'an index that others can write to' "$("$BELLJAR" cache info disks 2>&1)$?" "belljar: cache: cannot use the files in $disks: not ours alone125"
chmod 600 "$disks/index"
chmod 777 "$disks"
is 'a directory that others can write to' "$("$BELLJAR" cache clear disks 2>&1)$?" "belljar: cache: other users may write to ${disks}125"
chmod 700 "$disks"
truncate -s 5000 "$disks/index"
is 'a cut index' "$("$BELLJAR" cache info disks 2>&1)$?" 'no blocks of disk images are kept yet0'
"$pool" add default 0 3 || bad 'a cut index is not made anew'
is 'made anew' "$("$pool" check default 0 50)" '3 of 50'

# The option.
is 'a size' "$("$BELLJAR" --cache-size lots true 2>&1)$?" "belljar: --cache-size: 'lots' is not a size such as 500M or 4G, or none125"
for size in 1M 10G none; do is "--cache-size $size" "$("$BELLJAR" --image "$BELLJAR_IMAGE" --code-cache none --cache-size $size echo 42)" 42; done
exit $failed
