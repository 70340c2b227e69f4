#!/bin/bash
# Packed images from a web server: unpacked, and boxes that run from them, cold and warm, with and without a hot file;
# wrong bytes once are asked for again, and for ever are one line, and EIO in the box. Never is a byte wrong.
# ctest: TIMEOUT 300
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
PATH=$PATH:/usr/sbin:/sbin
caches=0
cd "$work" || exit 1
serve --delay 0
image() { "$BELLJAR" image "$@"; }
cold() { export XDG_CACHE_HOME=$work/cache$((++caches)); } # what serves the last box may still be there
box() { timeout 60 "$BELLJAR" --report report --image "$@"; }
cold
counted() { grep -oE "\"$1\": [0-9]+" report | grep -oE '[0-9]+$'; } # NAME, in the report
below() { [ "$2" -le "$3" ] || bad "$1: $2 are more than $3"; }     # WHAT GOT MOST
chunk() { # NUMBER of files/a: its file
    python3 - "$1" <<'END'
import sys
h = open("files/a/manifest", "rb").read()[56 + 36 * int(sys.argv[1]):][:32].hex()
print(f"files/a/chunks/{h[:2]}/{h}")
END
}

image pack -l 3 "$BELLJAR_IMAGE" files/a >out || bad "pack: $(cat out)"
head -c 3000000 "$BELLJAR_IMAGE" >small.img
image pack -l 3 -n small small.img files/a >out || bad "pack: $(cat out)"

# Where redirects lead: all in one directory, here and on another host.
ln files/a/small.manifest files/
find files/a/chunks -type f -exec ln -t files {} +

# All of it, also from servers that can little, and after answers that were wrong once.
for wrong in '' '~change=1/' '~500=1/' '~short-body=1/' '~reset=1/' '~no-version/' '~no-ranges/' '~weak/' '~chunked/' '~close/' '~change-secretly=1/' '~redirect/' '~redirect-other/'; do
    timeout 60 "$BELLJAR" image unpack --replace "$url/${wrong}a/small.manifest" back.img 2>err || bad "unpack $wrong: $(cat err)"
    cmp small.img back.img || bad "$wrong: other bytes"
done
image verify "$url/a/manifest" >out || bad "verify: $(cat out)"

# What is wrong for ever is one line.
wrong_for_ever() { # LINE URL
    local command
    for command in verify unpack; do
        local arguments=("$2")
        [ $command = verify ] || arguments+=(no.img)
        timeout 60 "$BELLJAR" image $command "${arguments[@]}" >out 2>err
        is "$2: status" $? 125
        is "$2: lines" "$(wc -l <err)" 1
        has "$2" "$(cat err)" "$1"
    done
    [ ! -e no.img ] || bad "$2 was unpacked"
}
cp small.img files/a/other.manifest
wrong_for_ever 'is not there (404)' "$url/none/manifest"
wrong_for_ever 'this is no manifest' "$url/~change/a/manifest"
wrong_for_ever 'this is no manifest' "$url/a/other.manifest"
wrong_for_ever 'tried 5 times' "$url/~500/a/manifest"

# Boxes: the same output as from the file; the hot file saves requests; warm there is one, or none.
program=(python3 -c 'import hashlib, json; print(json.dumps(hashlib.sha256(open("/usr/bin/bash", "rb").read()).hexdigest()))')
want=$("$BELLJAR" --image "$BELLJAR_IMAGE" -- "${program[@]}")
same() { # WHAT IMAGE
    is "$1" "$(box "$2" -- "${program[@]}" 2>&1)" "$want"
}
same 'cold' "$url/a/manifest"
without=$(counted requests)
same 'warm' "$url/a/manifest"
below 'requests of a warm start' "$(counted requests)" $((without / 4)) # the check, and what was looked for ahead and had not come
image profile files/a/manifest -- "${program[@]}" >out 2>err || bad "profile: $(cat err)"
image verify files/a/manifest >out || bad "verify: $(cat out)"
cold
same 'cold, with a hot file' "$url/a/manifest"
below 'requests with a hot file' "$(counted requests)" $((without / 2))
cold
same 'a server without ranges' "$url/~no-ranges/a/manifest"
below 'requests of one without ranges' "$(counted requests)" $((without / 2))

# A start that was cut off, or whose chunks are gone in part: the hot file brings what is missing.
mv files/a/hot hot
cold
box "$url/a/manifest" -- true || bad 'true'
mv hot files/a/hot
same 'some of it is there' "$url/a/manifest"
below 'requests when some of it is there' "$(counted requests)" $((without / 2))
grep -q 'hot bytes=0-16383' "$log" || bad 'the list of the hot file was not asked for'

# A hot file that is wrong, or of another image, is a slow one at most.
cp files/a/hot hot
size=$(stat -c %s hot)
for at in 9 20 60 300000 $((size - 5)); do
    cp hot files/a/hot
    printf '\xa5\x5a\xa5' | dd of=files/a/hot bs=1 seek="$at" conv=notrunc status=none
    cold
    same "a hot file that is wrong at $at" "$url/a/manifest"
done
for n in 40 5000 $((size - 1)); do
    head -c "$n" hot >files/a/hot
    cold
    same "a hot file of $n bytes" "$url/a/manifest"
done

# What is behind the first wrong chunk of a large one is not fetched.
image profile files/a/manifest -- cat /usr/bin/python3.11 >out 2>&1 || bad "profile: $(cat out)"
size=$(stat -c %s files/a/hot)
printf '\xa5\x5a\xa5' | dd of=files/a/hot bs=1 seek=400000 conv=notrunc status=none
cold
box "$url/a/manifest" -- sleep 1 || bad 'a large hot file that is wrong'
below "bytes of a hot file of $size bytes that is wrong at 400000" "$(counted bytes)" $((size * 3 / 4))
cp "$BELLJAR_IMAGE" files/a/hot
cold
same 'a hot file that is none' "$url/a/manifest"
rm files/a/hot

# The server is gone: warm, it is not needed.
serve --delay 0
cold
same 'before it goes' "$url/a/manifest"
kill "${servers[-1]}"
same 'the server is gone' "$url/a/manifest"
serve --delay 0

# A chunk of a file that cannot be had: EIO inside, a line outside, all else is there.
block=$(debugfs -R 'blocks /usr/bin/bash' "$BELLJAR_IMAGE" 2>/dev/null | cut -d' ' -f200)
file=$(chunk $((block / 16)))
mv "$file" saved
read_bash=(python3 -c 'import errno
try: print(len(open("/usr/bin/bash", "rb").read()))
except OSError as e: print(errno.errorcode[e.errno])')
eio() { # WHAT LINE
    cold
    is "$1" "$(box "$url/a/manifest" -- "${read_bash[@]}" 2>err)" EIO
    is "$1: lines" "$(wc -l <err)" 1
    has "$1" "$(cat err)" "$2"
}
eio 'a missing chunk' 'is not there (404)'
head -c 100 saved >"$file" && eio 'a chunk cut off' 'is damaged'
cp "$(chunk 0)" "$file" && eio 'another chunk' 'has the content of another'
(cat saved && printf x) >"$file" && eio 'a chunk with more behind it' 'is damaged'
head -c 5M /dev/zero >"$file" && eio 'a chunk that is too long' 'is larger than'
cp saved "$file"
cold
is 'the chunk is back' "$(box "$url/a/manifest" -- "${read_bash[@]}" 2>&1)" "$("$BELLJAR" --image "$BELLJAR_IMAGE" -- "${read_bash[@]}")"

# Another version: the box that knew the old one ends with a line, the next has the new one. The same content with a
# new date is none.
touch -d '2001-01-01' files/a/manifest
same 'a new date' "$url/a/manifest"
cp --sparse=always "$BELLJAR_IMAGE" new.img
tune2fs -L another new.img >/dev/null 2>&1
image pack -l 3 --replace new.img files/a >out || bad "pack: $(cat out)"
box "$url/a/manifest" -- sleep 20 >out 2>err
is 'a new version' "$?" 125
is 'a new version: lines' "$(wc -l <err)" 1
has 'a new version' "$(cat err)" 'has changed on the server since it was read last; run it again to use the new one'
same 'the new version' "$url/a/manifest"
below 'chunks of the new version that the old one has not' "$(counted fetched)" 3
exit $failed
