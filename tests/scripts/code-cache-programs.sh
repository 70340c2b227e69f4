#!/bin/bash
# Test programs as files of an image, so that in the third run their own code, with all that they do to signals, memory and themselves, comes
# from the code cache: what they find out must be the same as without.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
[ -e "$BELLJAR_IMAGE" ] || exit 77
programs=("$BELLJAR_BUILD"/tests/guest/sys-*)
[ -x "${programs[0]}" ] || exit 77
command -v debugfs >/dev/null || { PATH=$PATH:/usr/sbin && command -v debugfs >/dev/null; } || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp --sparse=always "$BELLJAR_IMAGE" "$work/image.ext2"
{
    for program in "${programs[@]}"; do printf 'write %s /%s\nset_inode_field /%s mode 0100755\n' "$program" "${program##*/}" "${program##*/}"; done
} | debugfs -w -f - "$work/image.ext2" >/dev/null 2>&1
sleep 2.1 # until then it may still be changing
used=0
for program in "${programs[@]}"; do
    name=${program##*/}
    # Its comment says when it is left out, or takes long.
    grep -q 'ctest: LABELS .*\(host\|slow\|longest\)' "$BELLJAR_SOURCE/tests/sys/${name#sys-}.c" && continue
    for run in 1 2 3; do
        timeout 100 "$BELLJAR" --code-cache "$work/cache" --image "$work/image.ext2" --trace jit --trace-file "$work/trace" -- "/$name" >"$work/out" 2>&1
        status=$?
        [ $status = 0 ] || [ $status = 77 ] || bad "$name, run $run: status $status: $(tail -3 "$work/out")"
        "$BELLJAR" cache wait --code-cache "$work/cache"
    done
    grep -q 'code cache: [1-9][0-9]* shards used, entered [1-9]' "$work/trace" && used=$((used + 1))
done
if grep -q 'interpreting' "$work/trace"; then
    echo 'nothing is translated here'
    exit 77
fi
[ $used -ge 20 ] || bad "only $used programs have run from the cache"
exit $failed
