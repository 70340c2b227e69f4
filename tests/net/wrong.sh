#!/bin/bash
# What a server does wrong (wrong.py), and what becomes of it: the right bytes, or one line. Never a wrong byte (net-drive
# and net-source compare each), never a hang (a case has 30 seconds).
# ctest: TIMEOUT 240
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve --auth 'Bearer 1234'
file=$work/files/f
head -c 3000000 /dev/urandom >"$file"

# Each row: what goes wrong | options of net-drive | how it must end, as a pattern.
table="
(none)                  | --check                       | OK requests 13 bytes * retries 0
(none)                  | --ranges 0 --check            | OK requests 2 bytes 3000001 retries 0
(none)                  | --ahead                       | OK requests 12 *
(none)                  | --pin '\"of-another-version\"' | CHANGED *: has changed on the server
(none)                  | --ranges 0 --max-bytes 100    | FAILED *: is larger than the 100 bytes it may have

500=2                   |                               | OK * retries 2
503=2                   |                               | OK * retries 2
429=1                   |                               | OK * retries 1
503-never=1             | --ranges 1                    | OK * retries 1
500                     |                               | FAILED *: the server answers with status 500 (tried 3 times)
429                     | --ranges 1                    | FAILED *: the server answers with status 429 (tried 3 times)
200-empty               |                               | NO_RANGES *: the server gives no ranges*
204                     |                               | FAILED *: the server answers with status 204
304                     |                               | FAILED *: the server answers with status 304
400                     |                               | FAILED *: the server answers with status 400
403                     |                               | FAILED *: the server refuses access (403): *
404                     |                               | NOT_FOUND *: is not there (404)
404@5                   |                               | NOT_FOUND *: is not there (404)
410                     |                               | NOT_FOUND *: is not there (410)
412@4                   |                               | CHANGED *: has changed on the server
416=1                   |                               | OK * retries 1
416                     | --ranges 2                    | FAILED *: the server refuses a range that it has (416) (tried 3 times)
416-none@4              |                               | CHANGED *: has changed on the server
999                     | --ranges 2                    | FAILED *status 999*

change@4                |                               | CHANGED *: has changed on the server
change=1@4              |                               | CHANGED *: has changed on the server
change-secretly@4       |                               | CHANGED *: has changed on the server
change-length@4         |                               | CHANGED *: has changed on the server
change@12               | --check                       | CHANGED *: has changed on the server
change-secretly@12      | --check                       | CHANGED *: has changed on the server
change-length@12        | --check                       | CHANGED *: has changed on the server
change@1                | --ranges 0 --check            | CHANGED *: has changed on the server
500=1@12                | --check                       | OK * retries 1
no-ranges@12            | --check                       | OK *
no-etag                 | --check                       | OK *
no-etag@4               |                               | CHANGED *: has changed on the server
no-etag/~silent         |                               | OK *
no-etag/~silent/~change@4 | --together 1                | CHANGED *: has changed on the server
silent                  | --together 1                  | CHANGED *: has changed on the server
no-version              |                               | NO_RANGES *: the server names no version of it (*
no-version              | --ranges 0                    | OK *
no-version@4            | --together 1                  | CHANGED *: has changed on the server
weak                    | --check                       | OK *
weak-only               |                               | NO_RANGES *: the server names no version of it (*
long-etag               |                               | OK *
bare-etag               |                               | NO_RANGES *: the server names no version of it (*

no-ranges               |                               | NO_RANGES *: the server gives no ranges (it answers with all of it)
no-ranges               | --ranges 0                    | OK requests 1 bytes 3000000 retries 0
no-ranges=1@4           |                               | NO_RANGES *: the server gives no ranges (it answers with all of it)
other-range=2           |                               | OK * retries 2
other-range             |                               | FAILED *: the server sends another range than it was asked for (tried 3 times)
part-of-range=2         |                               | OK requests 14 *
capped-range            |                               | OK * retries 0
part-of-range           |                               | FAILED *: the server sends less than it was asked for (tried 3 times)
wrong-content-range=2   |                               | OK * retries 2
wrong-content-range     |                               | FAILED *: the server sends another range than it was asked for (tried 3 times)
no-content-range        |                               | FAILED *: the server sends another range than it was asked for (tried 3 times)
bad-content-range       |                               | FAILED *: the server's answer contradicts itself (tried 3 times)
unknown-total           |                               | FAILED *: the server's answer contradicts itself (tried 3 times)
huge-total@4            |                               | CHANGED *: has changed on the server
parts                   |                               | FAILED *: the server sends another range than it was asked for (tried 3 times)
parts=1                 |                               | OK * retries 1

short-body=4            |                               | OK * retries 4
short-body=1            | --ranges 0                    | OK requests 2 * retries 1
short-body              | --most 10                     | FAILED *: * (tried 3 times)
short-body=1/~no-version | --ranges 0                   | FAILED *: came in part, and the server names no version of it to go on with
short-body=1/~no-ranges@1 | --ranges 0                  | OK requests 2 * retries 1
short-body=1/~change@1  | --ranges 0                    | CHANGED *: has changed on the server
long-body=2             |                               | OK * retries 2
long-body               |                               | FAILED *: the server sends more or less than it says (tried 3 times)
long-body               | --ranges 0                    | FAILED *: is larger than the 3000000 bytes it may have
short-length=2          |                               | OK * retries *
short-length            |                               | FAILED *: the server sends more or less than it says (tried 3 times)
bad-length              |                               | FAILED *: * (tried 3 times)
two-lengths             |                               | FAILED *: * (tried 3 times)
two-ranges              |                               | FAILED *: the server's answer contradicts itself (tried 3 times)
two-ranges=1            |                               | OK * retries 1
encoded                 |                               | FAILED *: the server sends it encoded (Content-Encoding), which has no ranges
chunked                 | --check                       | OK * retries 0
chunked                 | --ranges 0                    | OK requests 1 bytes 3000000 retries 0
chunked-cut=2           |                               | OK * retries 2
chunked-cut=1           | --ranges 0                    | OK requests 2 * retries 1
chunked/~no-ranges/~chunked-cut=1 | --ranges 0          | OK requests 2 * retries 1
chunked/~chunked-cut=1/~change@1  | --ranges 0          | CHANGED *: has changed on the server
chunked/~chunked-cut=1/~no-version | --ranges 0         | FAILED *: came in part, and the server names no version of it to go on with
chunked-garbage         |                               | FAILED *: * (tried 3 times)
chunked-endless         |                               | OK *
chunked-endless         | --ranges 0                    | FAILED *: is larger than the 3000000 bytes it may have

close                   |                               | OK * retries 0
close-silently          |                               | OK *
nothing=2               |                               | OK *
nothing                 |                               | FAILED *: Empty reply from server (tried 3 times)
reset=2                 |                               | OK * retries 2
reset=1                 | --ranges 0                    | OK requests 2 * retries 1
reset-at-once=2         |                               | OK *
reset-at-once           |                               | FAILED *: * (tried 3 times)
stall-head=1            |                               | OK * retries 1
stall-head              | --ranges 2                    | FAILED *: Operation too slow* (tried 3 times)
stall-body=2            |                               | OK * retries 2
stall-body=1            | --ranges 0                    | OK requests 2 * retries 1
stall-body              | --ranges 1 --most 10          | FAILED *: Operation too slow* (tried 3 times)
drips                   | --ranges 0                    | FAILED *: * (tried 24 times)
trickle                 | --ranges 1 --most 5000        | FAILED *: Operation too slow* (tried 3 times)

garbage                 |                               | FAILED *: Received HTTP/0.9 when not allowed (tried 3 times)
garbage=1               |                               | OK * retries 1
control-characters      |                               | FAILED *: the server answers with status 500 (tried 3 times)
endless-headers         |                               | FAILED *: the server sends headers without end (tried 3 times)
endless-headers=1       |                               | OK * retries 1
endless-continue        |                               | FAILED *: the server sends headers without end (tried 3 times)
huge-header             |                               | FAILED *: the server sends a header without end* (tried 3 times)
huge-header=1           |                               | OK * retries 1

redirect                | --check                       | OK * retries 0
redirect-301            | --check                       | OK * retries 0
redirect-other          | --check                       | OK * retries 0
redirect-other          | --header Authorization:x      | OK * retries 0
redirect-other          | --header X-Secret:x           | OK * retries 0
no-secrets              | --header X-Secret:x           | FAILED *: the server answers with status 400
redirect-loop           |                               | FAILED *: redirects lead on and on
redirect-file           |                               | FAILED *: is redirected to what is neither http nor https
redirect-nowhere        |                               | FAILED *: a redirect leads nowhere
redirect-wrong          |                               | FAILED *: is redirected to what is no URL
redirect-long           |                               | FAILED *: a redirect leads nowhere
redirect-expiring       | --together 1                  | OK requests 15 bytes * retries 0
redirect-loop=9         | --ranges 1                    | FAILED *: redirects lead on and on
redirect-loop=7         | --together 1                  | OK *
auth                    |                               | FAILED *: the server refuses access (401): --http-header and ~/.netrc can name who asks
auth                    | --header Authorization:\\ Bearer\\ 1234 | OK *
auth                    | --header Authorization:\\ Bearer\\ 12345 | FAILED *: the server refuses access (401)*
"

# run ROW: its result, in one line; nothing if it is as it must be.
run() {
    local path options expected got status
    IFS='|' read -r path options expected <<<"$1"
    path=${path// /}
    expected=${expected#"${expected%%[! ]*}"}
    [ "$path" = '(none)' ] && path= || path=/~$path
    eval "options=($options)"
    got=$(timeout 30 "$NET_DRIVE" --tries 3 --stall 1 --ranges 12 --together 4 --seed $RANDOM "${options[@]}" "$url$path/f?$2" "$file" 2>&1)
    status=$?
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $expected && $status -lt 2 ]] || echo "$1: got '$got', status $status"
}

n=0
while read -r row; do
    [ -n "$row" ] || continue
    ((n += 1))
    run "$row" "$n" >>"$work/failures" &
    while (($(jobs -rp | wc -l) > 20)); do wait -n; done # the server is one of them
done <<<"$table"
while (($(jobs -rp | wc -l) > 1)); do wait -n; done
while read -r line; do bad "$line"; done <"$work/failures"
echo "$n rows"
[ "$n" -gt 100 ] || bad "only $n rows were run"
exit $failed
