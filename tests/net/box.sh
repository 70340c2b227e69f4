#!/bin/bash
# Boxes from a web server that does things wrong: the program gets the right bytes, or an error and belljar says one line;
# never a wrong byte, never a hang. And who asks for the image: --http-header, ~/.netrc.
# ctest: TIMEOUT 240
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve --auth 'Bearer 1234'
ln -s "$BELLJAR_IMAGE" "$work/files/image"
inside=/usr/bin/python3.11 # some megabytes
"$BELLJAR" --image "$BELLJAR_IMAGE" -- cat $inside >"$work/right" || bad 'from the file'
# Where a byte of its middle lies in the image.
command -v debugfs >/dev/null || PATH=$PATH:/sbin:/usr/sbin
mapfile -t blocks < <(debugfs -R "blocks $inside" "$BELLJAR_IMAGE" 2>/dev/null | tr ' ' '\n' | grep .)
middle=$((${blocks[${#blocks[@]} / 2]:-0} * 4096 + 5))
((middle > 5)) || bad "no blocks of $inside"

# box NAME PATH [OPTION...] [-- PROGRAM]: status, whether its output is right, cut off or wrong, and what belljar said; from an empty cache.
box() {
    local name=$1 path=$2 out status what=wrong bytes
    shift 2
    out=$work/$name
    mkdir "$out"
    [[ " $* " == *' -- '* ]] || set -- "$@" -- cat $inside
    XDG_CACHE_HOME=$out/cache timeout 60 "$BELLJAR" --code-cache none --http-timeout 1s --image "$url/$path" "$@" >"$out/out" 2>"$out/err"
    status=$?
    bytes=$(stat -c %s "$out/out")
    if ((bytes == 0)); then
        what=none
    elif cmp -s "$out/out" "$work/right"; then
        what=right
    elif cmp -s -n "$bytes" "$out/out" "$work/right"; then
        what='cut'
    fi
    printf '%s %s %s' $status $what "$(tr '\n' ';' <"$out/err")"
    rm -rf "$out"
}

# Each row: what goes wrong | how it must end, as a pattern: status, output, standard error. EIO is what cat is told.
# It may be a block of metadata, of which belljar says so, too. An image that changes ends the box, and cat sees no error.
eio='1 @(cut|none) cat: *: Input/output error;?(belljar: *;)belljar: some of the image could not be read: http*'
never='125 none belljar: http*'
table="
(none)              | 0 right 
500=3@5             | 0 right 
503=2@5             | 0 right 
short-body=5@3      | 0 right 
reset=5@3           | 0 right 
stall-body=2@3      | 0 right 
stall-head=2@3      | 0 right 
wrong-content-range=3@3 | 0 right 
other-range=3@3     | 0 right 
long-body=3@3       | 0 right 
short-length=2@3    | 0 right 
garbage=2@3         | 0 right 
endless-headers=2@3 | 0 right 
chunked             | 0 right 
chunked-cut=3@3     | 0 right 
capped-range        | 0 right 
close-silently      | 0 right 
nothing=3@3         | 0 right 
no-etag             | 0 right 
weak                | 0 right 
redirect            | 0 right 
redirect-other      | 0 right 
redirect-expiring   | 0 right 

500+middle            | $eio: the server answers with status 500 (tried 5 times);
404+middle            | $eio: is not there (404);
403+middle            | $eio: the server refuses access (403)*;
wrong-content-range+middle | $eio: the server sends another range than it was asked for (tried 5 times);
no-ranges+middle      | $eio: the server gives no ranges*;
short-body=999+middle | @(0 right |1 *Input/output error;belljar: *)
reset+middle          | @(0 right |$eio: *)
stall-head+middle     | $eio: Operation too slow*;
redirect-loop+middle  | $eio: redirects lead on and on;
endless-headers+middle | $eio: the server sends headers without end (tried 5 times);
encoded+middle        | $eio: the server sends it encoded*;
change+middle         | 125 @(cut|none) belljar: http*: has changed on the server since *; run it again to use the new one;
change-secretly+middle | 125 @(cut|none) belljar: http*: has changed on the server since *; run it again to use the new one;

500                 | $never: the server answers with status 500 (tried 5 times);
404                 | $never: is not there (404);
auth                | $never: the server refuses access (401)*;
no-ranges           | $never: the server gives no ranges (it answers with all of it);
no-version          | $never: the server names no version of it (*;
stall-head          | $never: Operation too slow*;
garbage             | $never: Received HTTP/0.9 when not allowed (tried 5 times);
reset-at-once       | $never: *;
redirect-file       | $never: is redirected to what is neither http nor https;
huge-total          | 125 none belljar: *too many;
"
run() {
    local path expected got
    IFS='|' read -r path expected <<<"${1/|/$'\n'}"
    path=${1%%|*} expected=${1#*|}
    path=${path// /}
    path=${path/+middle/+$middle}
    got=$(box "row$2" "~$path/image")
    # shellcheck disable=SC2053 # a pattern
    [[ "$got" == ${expected# } ]] || echo "$path: got '$got', wanted '${expected# }'"
}

is 'from the server' "$(box good image)" '0 right '
n=0
while IFS= read -r row; do
    [ -n "$row" ] || continue
    ((n += 1))
    [[ $row != '(none)'* ]] || row=${row/(none)/no-etag=0}
    run "$row" "$n" >>"$work/failures" &
    while (($(jobs -rp | wc -l) > 10)); do wait -n; done # the server is one of them
done <<<"$table"
while (($(jobs -rp | wc -l) > 1)); do wait -n; done
while read -r line; do bad "$line"; done <"$work/failures"
echo "$n rows"
((n > 40)) || bad "only $n rows were run"

# Who asks.
printf '# of the tests\n\nAuthorization: Bearer 1234\r\nX-Secret: y\n' >"$work/headers"
is 'a header' "$(box a1 '~auth/image' --http-header 'Authorization: Bearer 1234')" '0 right '
is 'headers of a file' "$(box a2 '~auth/image' --http-header "@$work/headers")" '0 right '
is 'headers of a pipe' "$(box a3 '~auth/image' --http-header @<(cat "$work/headers"))" '0 right '
is 'of the environment' "$(BELLJAR_HTTP_HEADER=@$work/headers box a4 '~auth/image')" '0 right '
is 'not for others' "$(box a5 '~redirect-other/image' --http-header "@$work/headers")" '0 right '
# Only the process that talks to the server holds them, not the one that the program runs in.
secret=secret$RANDOM$RANDOM
printf 'X-Secret: %s\n' "$secret" >"$work/headers"
mkfifo "$work/hold"
XDG_CACHE_HOME=$work/cache "$BELLJAR" --image "$url/image" --http-header "@$work/headers" -- sh -c 'echo there; read -r wait' <"$work/hold" >"$work/there" 2>&1 &
box=$!
exec {hold}>"$work/hold"
for ((i = 0; i < 200; i++)); do
    [ -s "$work/there" ] && break
    sleep 0.05
done
held=$(python3 "$BELLJAR_SOURCE/tests/net/held.py" "$box" "$secret")
exec {hold}>&-
wait "$box"
if [[ $held == *'?'* ]]; then
    echo 'memory of other processes cannot be read: who holds a header is left out'
else
    ((3 <= $(wc -l <<<"$held"))) || bad "who holds a header: $held"
    is 'processes that hold a header' "$(grep -vc ' 0$' <<<"$held")" 1
fi
is 'no file' "$(box a6 image --http-header @/none)" '125 none belljar: --http-header: /none: No such file or directory;'
is 'no header' "$(box a7 image --http-header secret)" "125 none belljar: --http-header: it is neither a header as 'Name: value' nor @FILE;"
printf 'X: y\nsecret\n' >"$work/headers"
is 'no header in a file' "$(box a8 image --http-header "@$work/headers")" "125 none belljar: --http-header: $work/headers: line 2: is no header as 'Name: value';"
is 'no header in the environment' "$(BELLJAR_HTTP_HEADER=secret box a9 image)" "125 none belljar: \$BELLJAR_HTTP_HEADER: it is neither a header as 'Name: value' nor @FILE;"
exit $failed
