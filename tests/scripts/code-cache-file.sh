#!/bin/bash
# belljar cache info, clear, wait; which directories are used for the code cache; a damaged file as the command shows it. What readers and
# writers make of faults: tests/store.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache() { "$BELLJAR" cache "$@" --code-cache "$dir"; }
writers=$BELLJAR_BUILD/tests/store/store-writers
dir=$work/cache

# Nothing there: nothing is made.
is 'info of no directory' "$(cache info 2>&1)$?" "nothing is kept yet: cannot use $dir: No such file or directory0"
cache clear || bad 'clear of no directory'
cache wait || bad 'wait for no directory'
[ ! -e "$dir" ] || bad 'a directory was made by looking'

"$writers" add "$dir" 0 7 1 || bad 'cannot write'
is 'mode of the directory' "$(stat -c %a "$dir")" 700
is 'modes of the files' "$(stat -c %a "$dir"/* | sort -u)" 600
is 'what is read' "$("$writers" check "$dir")" '7 shards, 0 misses, stamped'
code=$(echo "$dir"/code-*)
has info "$(cache info)" '7 shards, 7 files of images known, generation '
has info "$(cache info)" ', checked'
has info "$(cache info)" "$dir"
is 'lines of info' "$(cache info | wc -l)" 3
is 'lines of info -v' "$(cache info -v | wc -l)" 10
is '-v is --verbose' "$(cache info -v)" "$(cache info --verbose)"
has 'when it was used' "$(cache info -v)" "used $(date +%Y-)"

# Any change takes the stamp away; writers look at all of it, and give it back.
touch "$code"
has 'info of a touched file' "$(cache info)" 'to be checked when used'
is 'a touched file' "$("$writers" check "$dir")" '7 shards, 0 misses, not stamped'
"$writers" add "$dir" 7 1 1
is 'after a writer' "$("$writers" check "$dir")" '8 shards, 0 misses, stamped'
printf X | dd of="$code" bs=1 seek=20000 conv=notrunc status=none
has 'a damaged file' "$("$writers" check "$dir")" 'not stamped'
truncate -s -4096 "$code"
has 'info of a file that is cut off' "$(cache info)" 'is cut off'
is 'a file that is cut off' "$("$writers" check "$dir")" 'none: it is cut off, or its head is damaged'
printf 'something else' >"$code"
has 'info of something else' "$(cache info)" 'is cut off'
"$writers" add "$dir" 0 2 1
is 'a file made anew' "$("$writers" check "$dir")" '2 shards, 0 misses, stamped'

# wait: until the writer has ended, and until nobody is about to write.
for lock in lock busy; do
    [ -e "$dir/$lock" ] || : >"$dir/$lock"
    chmod 600 "$dir/$lock"
    (
        flock 9
        sleep 0.5
        : >"$work/written"
    ) 9<>"$dir/$lock" &
    until ! flock -n "$dir/$lock" true; do sleep 0.01; done
    cache wait || bad 'wait failed'
    [ -e "$work/written" ] || bad "wait did not wait for $lock"
    wait
    rm -f "$work/written"
done

# clear: what is ours, and no more; links go, what they lead to stays.
echo kept >"$work/elsewhere"
echo mine >"$dir/notes"
mkdir "$dir/code-0123456789abcdef.v1"
ln -s "$work/elsewhere" "$dir/used-0123456789abcdef.v1"
ln -s "$work/elsewhere" "$dir/new"
cache clear || bad 'clear failed'
is 'what clear leaves' "$(cd "$dir" && echo *)" 'busy code-0123456789abcdef.v1 lock notes'
is 'what a link led to' "$(cat "$work/elsewhere")" kept
has 'a directory with a name of ours' "$(cache info)" 'not ours alone'
rmdir "$dir/code-0123456789abcdef.v1"
is 'nothing is there' "$("$writers" check "$dir")" 'none: it is not there yet'

# Directories that are not used, with one line that says why.
refused() {
    local said
    said=$("$BELLJAR" cache info --code-cache "$1" 2>&1)
    is "$1: status" $? 125
    is "$1: lines" "$(printf '%s\n' "$said" | wc -l)" 1
    has "$1" "$said" "$2"
    "$writers" add "$1" 0 1 1 >/dev/null && bad "$1 is written to"
}
mkdir -m 770 "$work/group"
refused "$work/group" 'other users may write'
mkdir -m 707 "$work/all"
refused "$work/all" 'other users may write'
ln -s "$dir" "$work/link"
refused "$work/link" 'symbolic link'
refused "$work/elsewhere" 'no directory'
if [ "$(id -u)" = 0 ]; then
    mkdir -m 700 "$work/other" && chown 12345 "$work/other"
    refused "$work/other" 'belongs to another user'
else
    echo 'another owner: left out, this is not root'
fi

# The default.
is 'no home' "$(env -u HOME -u XDG_CACHE_HOME "$BELLJAR" cache info 2>&1)" 'belljar: cache: no home directory'
(umask 077 && mkdir -p "$work/home/.cache/belljar" "$work/xdg/belljar")
is 'below HOME' "$(env -u XDG_CACHE_HOME HOME="$work/home" "$BELLJAR" cache info)" "$work/home/.cache/belljar"
is 'XDG_CACHE_HOME' "$(HOME=$work/home XDG_CACHE_HOME=$work/xdg "$BELLJAR" cache info)" "$work/xdg/belljar"
is 'XDG_CACHE_HOME that is not absolute' "$(HOME=$work/home XDG_CACHE_HOME=xdg "$BELLJAR" cache info)" "$work/home/.cache/belljar"

# The command line.
for arguments in '' 'other' 'info x' 'clear --code-cache' 'info --code-cache none'; do
    # shellcheck disable=SC2086  # words
    said=$("$BELLJAR" cache $arguments 2>&1)
    is "cache $arguments: status" $? 125
    is "cache $arguments: lines" "$(printf '%s\n' "$said" | wc -l)" 1
done
is 'no value' "$("$BELLJAR" --code-cache= true 2>&1)" "belljar: --code-cache: '' is not a directory, or none"
is none "$("$BELLJAR" --image "$BELLJAR_IMAGE" --code-cache none echo 42)" 42
exit $failed
