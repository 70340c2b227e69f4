#!/bin/bash
# No state outside the box: the library has no writable data of its own, but for host/fault.c (its handler finds the box
# through a thread-local pointer, and keeps the handlers that were there before).
# ctest: LABELS no-asan no-debug
# (the sanitizers add data of their own; the same sources are looked at without them)
set -euo pipefail
found=$(objdump -t "$BELLJAR_LIBRARY" | awk '
    /file format/ { split($1, name, ":"); object = name[1] }
    / (\*COM\*|\.t?(data|bss)[^\t]*)\t/ && !/ \.data\.rel\.ro/ && !/^[0-9a-f]+ .....d/ {
        if (object !~ /^fault\.c/) print object ": " $NF
    }')
if [ -n "$found" ]; then
    printf 'writable data outside the box:\n%s\n' "$found"
    exit 1
fi
