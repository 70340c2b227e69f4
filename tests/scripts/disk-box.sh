#!/bin/bash
# A box whose image comes over the network does what one with the file does: from an empty cache and a full one, without
# one, with one that is far too small, two at once, after kill -9, when the server has gone; the same count with
# --deterministic; what --report counts; the line that shows what is fetched.
# ctest: TIMEOUT 300
set -u
[ -e "$BELLJAR_IMAGE" ] || exit 77
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve
first=$url
ln -s "$BELLJAR_IMAGE" "$work/files/image"
ln -s "$BELLJAR_IMAGE" "$work/files/other"
"$BELLJAR" image pack --level 1 "$BELLJAR_IMAGE" "$work/files/packed" >"$work/log" 2>&1 || bad "pack: $(cat "$work/log")"

program='
import glob, hashlib, json, os, re, subprocess
sum = hashlib.sha256()
for path in sorted(glob.glob("/usr/lib/python3*/*.py")) + ["/usr/bin/python3"]:
    sum.update(open(path, "rb").read())
    sum.update(repr(os.stat(path)[:7]).encode())
print(sum.hexdigest(), subprocess.run(["ls", "-lR", "/usr/share"], capture_output=True).stdout.count(b"\n"))
open("/usr/share/new", "w").write("kept for the run")
print(open("/usr/share/new").read())'
# box CACHE IMAGE [OPTION...]: what it prints, and its status.
box() {
    local cache=$1 image=$2
    shift 2
    XDG_CACHE_HOME=$work/$cache timeout 100 "$BELLJAR" --image "$image" "$@" -- python3 -c "$program" 2>&1
    echo "status $?"
}
right=$(box none "$BELLJAR_IMAGE")
has 'from the file' "$right" 'status 0'
"$BELLJAR" cache wait
count() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["disk"][sys.argv[2]])' "$work/report" "$1"; }

declare -A cold
for image in image packed/manifest; do
    cache=cache-${image%/*}
    is "$image, cold" "$(box "$cache" "$url/$image" --report "$work/report")" "$right"
    cold[$image]=$(count fetched)
    (($(count requests) > 10 && cold[$image] > 50 && $(count bytes) > 1000000 && $(count cache_hits) < 10)) ||
        bad "$image, cold: $(cat "$work/report")"
    is "$image, warm" "$(box "$cache" "$url/$image" --report "$work/report")" "$right"
    (($(count fetched) < cold[$image] / 20 + 5 && $(count cache_hits) >= cold[$image] && $(count failed) == 0)) ||
        bad "$image, warm: ${cold[$image]} before, then $(cat "$work/report")"
    is "$image, no cache" "$(box none "$url/$image" --cache-size none)" "$right"
done

# A small cache serves boxes that use more than fits; two boxes at once, each with its own image, and one image twice.
is 'a small cache' "$(box small "$url/image" --cache-size 1M)" "$right"
is 'a small cache, again' "$(box small "$url/image" --cache-size 1M)" "$right"
for i in 1 2 3; do
    image=image
    [ $i != 2 ] || image=other
    box together "$url/$image" >"$work/together$i" &
    eval "box$i=\$!"
done
# shellcheck disable=SC2154
wait "$box1" "$box2" "$box3"
for i in 1 2 3; do is "together, $i" "$(cat "$work/together$i")" "$right"; done

# kill -9 of everything in the middle, then again.
for seconds in 0.05 0.15 0.3 0.5; do
    XDG_CACHE_HOME=$work/killed setsid "$BELLJAR" --image "$url/image" -- python3 -c "$program" >"$work/killed-out" 2>&1 &
    victim=$!
    sleep $seconds
    kill -9 -- -$victim 2>"$work/log"
    wait $victim 2>"$work/log"
    is "after kill -9 at $seconds s" "$(box killed "$url/image")" "$right"
done

# The same count, whatever comes when.
exact() { box "$1" "$2" --deterministic=5 --report "$work/report" && python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["instructions"])' "$work/report"; }
wanted=$(exact none "$BELLJAR_IMAGE")
is 'deterministic, cold' "$(exact exact "$url/image")" "$wanted"
is 'deterministic, warm' "$(exact exact "$url/image")" "$wanted"
is 'deterministic, packed' "$(exact exact "$url/packed/manifest")" "$wanted"

# Hot lists: all of a start comes with them.
(cd "$work/files" && rm image && cp --sparse=always "$BELLJAR_IMAGE" image) # IMAGE.hot lies beside it
for image in image packed/manifest; do
    "$BELLJAR" image profile "$work/files/$image" -- python3 -c pass >"$work/log" 2>&1 || bad "profile: $(cat "$work/log")"
    XDG_CACHE_HOME=$work/hot-${image%/*} "$BELLJAR" --image "$url/$image" --report "$work/report" -- python3 -c pass ||
        bad "$image with a hot list: $?"
    hot=$(count fetched)
    ((hot > 50 && hot < cold[$image])) || bad "$image with a hot list: $hot fetched"
done

# Progress, on a terminal only, and nothing of it is left behind.
serve --delay 100
shown=$(XDG_CACHE_HOME=$work/shown script -qec "$BELLJAR --image $url/other -- python3 -c 'print(6*7)'" /dev/null | tr '\r\033' '\n^')
has 'progress' "$shown" 'belljar: fetching other: '
last=$(grep -F '[K' <<<"$shown" | tail -n 1)
last=${last##*^[K}
is 'after the progress' "${last#^@}" 42 # ^@: script(1) types the end of its input

# Who waits for a server that says nothing more can be interrupted.
for path in '~stall-head/other' '~stall-head@30/other'; do
    XDG_CACHE_HOME=$work/stalled "$BELLJAR" --image "$url/$path" -- python3 -c "$program" >"$work/stalled-out" 2>&1 &
    victim=$!
    sleep 8 # 30 answers and two seconds
    kill $victim
    started=$SECONDS
    wait $victim
    is "status of $path" $? 143
    ((SECONDS - started < 5)) || bad "$path: ended $((SECONDS - started)) s after the signal"
done

# The server has gone: what is there is used, what is missing is an error inside, and one line outside.
kill "${servers[0]}"
is 'the server has gone' "$(box cache-image "$first/image")" "$right"
missing=$(XDG_CACHE_HOME=$work/cache-image timeout 60 "$BELLJAR" --image "$first/image" -- sh -c 'cat /usr/bin/* /usr/sbin/* >/dev/null; echo $?' 2>&1)
has 'what is missing' "$missing" 'Input/output error'
is 'one line of belljar' "$(grep -c '^belljar: some of the image could not be read: http' <<<"$missing")" 1
exit $failed
