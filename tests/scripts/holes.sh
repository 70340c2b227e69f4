#!/bin/bash
# Files of the image that have holes (programs, with data that is zeros), mapped privately: what is written is the
# mapping's alone, all the rest is as the file has it.
set -u
cat >"${TMPDIR:-/tmp}/holes.$$.py" <<'END'
import mmap, os
def look(fd, read_first):
    size = os.fstat(fd).st_size
    m = mmap.mmap(fd, size, access=mmap.ACCESS_COPY)
    want = bytearray(os.pread(fd, size, 0))
    assert not read_first or m[:] == want
    at, holes = 0, 0
    while at < size:
        hole = os.lseek(fd, at, os.SEEK_HOLE)
        if hole >= size: break
        try: end = os.lseek(fd, hole, os.SEEK_DATA)
        except OSError: end = size
        for place in (hole, hole + (end - hole) // 2, end - 1, hole - 1, end):
            if 0 <= place < size: m[place] = want[place] = (want[place] + 1) % 256
        holes, at = holes + 1, end
    assert m[:] == want
    assert os.pread(fd, size, 0) == mmap.mmap(fd, size, access=mmap.ACCESS_READ)[:]
    return holes
found = 0
for name in sorted(os.listdir("/usr/bin")):
    path = os.path.join("/usr/bin", name)
    if os.path.islink(path) or not 4096 < os.path.getsize(path) < 16 << 20: continue
    fd = os.open(path, os.O_RDONLY)
    if os.lseek(fd, 0, os.SEEK_HOLE) < os.path.getsize(path):
        found += look(fd, False)
        look(fd, True) # what was read is no hole any more
    os.close(fd)
print(found > 0)
END
trap 'rm -f "${TMPDIR:-/tmp}/holes.$$.py"' EXIT
failed=0
for options in '' '--engine interp' '--exact'; do
    # shellcheck disable=SC2086
    got=$("$BELLJAR" --image "$BELLJAR_IMAGE" $options --code-cache none --put "${TMPDIR:-/tmp}/holes.$$.py:/tmp/holes.py" -- python3 /tmp/holes.py 2>&1 | tail -1)
    [ "$got" = True ] || {
        echo "FAILED ($options): $got"
        failed=1
    }
done
exit $failed
