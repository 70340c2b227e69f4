#!/bin/bash
# belljar image pack, verify, unpack, profile: images come back bit by bit, share chunks, and damage of every kind is
# named. What comes over HTTP is packed-server.sh's.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_CACHE_HOME=$work/cache
image() { "$BELLJAR" image "$@"; }

# Contents of all kinds: text, noise, a hole, zeros that are no hole, a chunk twice, an end within a chunk.
make_image() { # FILE SEED
    python3 - "$1" "$2" <<'END'
import random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "wb") as f:
    for k in range(12):
        f.write(("%d " % k * 65536)[:65536].encode())  # the same in both images
    f.write(r.randbytes(3 * 65536))
    f.seek(2 << 20, 1)
    f.write(bytes(65536) + r.randbytes(1000) + bytes(64536) + b"x" * 65536 * 2 + r.randbytes(12345))
END
}
make_image one.img 1
make_image two.img 2

# There and back; also from a name of its own, at other levels, with one and several jobs.
image pack --jobs 1 one.img packed >out || bad "pack: $(cat out)"
has 'the summary' "$(cat out)" 'packed/manifest: 52 chunks, 33 of them zeros, 1 were there already'
image pack --name two --level 3 --jobs 1 two.img packed >out || bad "pack: $(cat out)"
has 'chunks that two images share' "$(cat out)" '14 were there already'
for name in one two; do
    manifest=packed/$name.manifest
    [ $name = two ] || manifest=packed/manifest
    image verify $manifest >out || bad "verify $manifest: $(cat out)"
    image unpack $manifest back.img || bad "unpack $manifest"
    cmp $name.img back.img || bad "$name comes back another"
    is "the blocks of $name" $(($(stat -c %b back.img) <= $(stat -c %b $name.img))) 1
    rm back.img
done
find packed -name '*.new-*' | grep . && bad 'something is left over'

# Nothing is made twice, nor replaced without being told.
before=$(find packed/chunks -type f -printf '%p %i\n' | sort)
image pack one.img packed 2>err && bad 'a manifest was replaced'
has 'a manifest that is there' "$(cat err)" 'packed has a manifest: --replace'
image pack --replace one.img packed >out || bad "pack --replace: $(cat out)"
has 'packed again' "$(cat out)" '0.0 MB of it written'
is 'files of chunks, packed again' "$(find packed/chunks -type f -printf '%p %i\n' | sort)" "$before"

# The smallest images, and none.
printf x >small.img
truncate -s 1M zeros.img
for name in small zeros; do
    image pack -n $name $name.img packed >out || bad "pack $name: $(cat out)"
    image unpack packed/$name.manifest $name.back || bad "unpack $name"
    cmp $name.img $name.back || bad "$name comes back another"
done
: >empty.img
refused() { # WHAT LINE COMMAND...
    local what=$1 line=$2
    shift 2
    "$@" >out 2>err
    is "$what: status" $? 125
    has "$what" "$(cat err)" "$line"
    is "$what: lines" "$(wc -l <err)" "${lines:-1}"
}
refused 'an empty image' 'cannot pack empty.img: No data' image pack -n empty empty.img packed
refused 'no image' 'cannot open none.img: No such file' image pack -n none none.img packed
refused 'a directory that cannot be' 'cannot make no/dir' image pack one.img no/dir
refused 'a name with a /' 'name without /' image pack -n ../x one.img packed
refused 'a level' '--level is a number from 1 to 22' image pack -l 23 one.img other
refused 'a file that is there' '--replace' image unpack packed/manifest small.back
refused 'an unknown option' "unknown option '--fast'" image pack --fast one.img other
refused 'too few arguments' 'usage: belljar image pack' image pack one.img
refused 'no command' 'usage: belljar image profile' image profile one.img
for command in pack verify unpack profile; do
    image $command --help | grep -q "^Usage: belljar image $command" || bad "no help for $command"
done

# Every kind of damage, named by unpack in one line, and by verify; pack mends it.
chunk() { # NUMBER of the image that is packed as `manifest`: its file
    python3 - "$1" <<'END'
import sys
h = open("packed/manifest", "rb").read()[56 + 36 * int(sys.argv[1]):][:32].hex()
print(f"packed/chunks/{h[:2]}/{h}")
END
}
one=$(chunk 3) other=$(chunk 12)
cp "$one" saved
cp "$other" saved.other
damaged() { # LINE
    rm -f back.img
    refused "unpack: $1" "${one#packed/}" image unpack packed/manifest back.img
    has 'unpack' "$(cat err)" "chunk 3: "
    has 'unpack' "$(cat err)" "$1"
    [ ! -e back.img ] || bad "$1: a file is there"
    lines=2 refused "verify: $1" "$1" image verify packed/manifest
    has "verify: $1" "$(cat err)" '1 of 18 chunks are wrong'
    image pack --replace one.img packed >out || bad "pack does not mend: $1"
    image verify packed/manifest >/dev/null || bad "pack has not mended: $1"
}
rm "$one" && damaged 'is missing'
: >"$one" && damaged 'is damaged'
head -c 10 saved >"$one" && damaged 'is damaged'
(cat saved && printf x) >"$one" && damaged 'is damaged'
cat saved saved >"$one" && damaged 'is damaged'
head -c 100000 /dev/zero >"$one" && damaged 'is too long'
cp saved.other "$one" && damaged 'has the content of another'
head -c 65536 /dev/zero | tr '\0' y >plain
if command -v zstd >/dev/null; then
    head -c 64M /dev/zero | zstd -q -19 >"$one" && damaged 'is damaged' # a bomb
    zstd -q -c plain >"$one" && damaged 'has the content of another'
fi
rm "$one" && mkfifo "$one" && damaged 'Illegal seek'

spoiled() { # LINE: of packed/spoiled.manifest
    refused "manifest: $1" "$1" image verify packed/spoiled.manifest
    refused "manifest: $1" "$1" image unpack packed/spoiled.manifest spoiled.img
    [ ! -e spoiled.img ] || bad 'a spoiled manifest was unpacked'
}
head -c 40 packed/manifest >packed/spoiled.manifest && spoiled 'too short'
head -c 1000 packed/manifest >packed/spoiled.manifest && spoiled 'cut off'
(cat packed/manifest && printf x) >packed/spoiled.manifest && spoiled 'more than its head says'
cp one.img packed/spoiled.manifest && spoiled 'this is no manifest'
sed 's/belljar./belljar\x7f/' packed/manifest >packed/spoiled.manifest && spoiled 'another version'
change() { # OFFSET BYTE
    cp packed/manifest packed/spoiled.manifest
    printf '%b' "$2" | dd of=packed/spoiled.manifest bs=1 seek="$1" conv=notrunc status=none
}
change 30 '\x55' && spoiled 'its digest is not that of its chunks'
change 60 '\x55' && spoiled 'its digest is not that of its chunks'
change 90 '\xff' && spoiled 'size is wrong'
rm packed/spoiled.manifest && spoiled 'No such file'
mkdir packed/spoiled.manifest && spoiled 'Invalid argument'

# A box from the packed image is one from the image; a profile's hot file has each chunk once, and more with --add.
image pack -l 1 "$BELLJAR_IMAGE" python >out || bad "pack: $(cat out)"
want=$("$BELLJAR" --image "$BELLJAR_IMAGE" -- python3 -c 'import json; print(json.dumps([1, 2]))')
is 'python3 from a packed image' "$("$BELLJAR" --image python/manifest -- python3 -c 'import json; print(json.dumps([1, 2]))')" "$want"
is 'a profile: what it prints' "$(image profile python/manifest -- python3 -c 'print(6*7)' 2>err)" 42
has 'a profile' "$(cat err)" 'python/hot: '
first=$(stat -c %s python/hot)
image profile --add python/manifest -- --env A=B python3 -c 'import json' 2>err || bad "profile --add: $(cat err)"
is 'a profile, added' $(($(stat -c %s python/hot) > first)) 1
has 'verify of a hot file' "$(image verify python/manifest)" 'the hot file too'
cp python/hot hot
printf 'x' | dd of=python/hot bs=1 seek=300000 conv=notrunc status=none
refused 'a damaged hot file' 'of the hot list ' image verify python/manifest
cp hot python/hot && truncate -s -1 python/hot
refused 'a hot file cut off' 'of the hot list is damaged' image verify python/manifest
(cat hot && printf x) >python/hot
refused 'more behind a hot file' 'there is more behind' image verify python/manifest
image profile python/manifest -- bash -c 'exit 3' 2>err || bad "profile of a program that fails: $(cat err)"
is 'a profile made anew' $(($(stat -c %s python/hot) < first)) 1
image profile python/manifest -- no-such-program 2>err
is 'a profile of no program' "$?: $(cat err)" '127: belljar: no-such-program: no such program in the image'
has 'info' "$(image info python/manifest)" 'hot file      yes'
cp --sparse=always "$BELLJAR_IMAGE" new.ext2
printf new | dd of=new.ext2 bs=1 seek=120 conv=notrunc status=none # its label
image pack -l 1 --replace new.ext2 python >out || bad "pack: $(cat out)"
has 'a hot file of the image before' "$(cat out)" 'has been removed'
has 'info' "$(image info python/manifest)" 'hot file      none'
image pack -l 1 --replace new.ext2 python >out || bad "pack: $(cat out)"
lacks 'no hot file' "$(cat out)" 'has been removed'
cp one.img python/one.manifest
refused 'info of no manifest' 'this is no manifest' image info python/one.manifest
refused 'a profile of a URL' 'must be on this machine' image profile http://127.0.0.1:1/manifest -- true
refused 'a profile of another image' 'no place here' image profile python/manifest -- --image "$BELLJAR_IMAGE" true
cp --sparse=always "$BELLJAR_IMAGE" plain.ext2
image profile plain.ext2 -- true 2>err || bad "profile of a plain image: $(cat err)"
is 'a plain list' "$(head -n 2 plain.ext2.hot)" $'belljar hot list 2\n0 6'
exit $failed
