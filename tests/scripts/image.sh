#!/bin/bash
# The built images keep what the recipes promise.
# shellcheck disable=SC2317  # expect calls them
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
failed=0

expect() {
    local what=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        echo "not so: $what ($*)"
        failed=1
    fi
}
field() { dumpe2fs -h "$1" 2>/dev/null | sed -n "s/^$2: *//p"; }
info() { debugfs -R "stat $2" "$1" 2>/dev/null; }
# IMAGE PATH TYPE MODE USER
is() { info "$1" "$2" | tr -s ' ' | grep -E "Type: $3 Mode: $4" >/dev/null && info "$1" "$2" | grep -E "User: +$5 +" >/dev/null; }

for name in python3 python3-test; do
    image=$BELLJAR_IMAGES/$name.ext2
    expect "$name is a sound file system" e2fsck -fn "$image"
    expect "$name has blocks of 4096 bytes" test "$(field "$image" 'Block size')" = 4096
    expect "$name: /tmp" is "$image" /tmp directory 01777 0
    expect "$name: /root" is "$image" /root directory 0700 0
    expect "$name: /home/user" is "$image" /home/user directory 0755 1000
    for dir in /dev /proc /sys /run; do expect "$name: $dir" is "$image" $dir directory 0755 0; done
    for file in /usr/bin/bash /usr/bin/python3.11 /usr/bin/ls; do expect "$name: $file" is "$image" $file regular 0755 0; done
    expect "$name: python3" is "$image" /usr/bin/python3 symlink 0777 0
    expect "$name: json is compiled" is "$image" /usr/lib/python3.11/json/__pycache__/decoder.cpython-311.pyc regular 0644 0
    expect "$name: sitecustomize is compiled" is "$image" \
        /usr/lib/python3.11/__pycache__/sitecustomize.cpython-311.pyc regular 0644 0
done
image=$BELLJAR_IMAGES/python3.ext2
used=$((($(field "$image" 'Block count') - $(field "$image" 'Free blocks')) * 4096))
expect "python3 uses at most 120 MB, not $used" test "$used" -le 120000000
expect "python3-test has the tests" is "$BELLJAR_IMAGES/python3-test.ext2" /usr/lib/python3.11/test/test_grammar.py regular 0644 0
exit $failed
