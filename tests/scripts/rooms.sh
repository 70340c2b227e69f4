#!/bin/bash
# Includes run one way: each room includes only the rooms (or files) named here (docs/design.md), and fronts only
# belljar.h; the command also the jail, which it puts around the library, and the code cache's file, which it opens for it, and what names that. disk/ and the command have the protocols beside (vfs/*_protocol.h).
set -euo pipefail
cd "$BELLJAR_SOURCE"
declare -A may=(
    [abi]="abi"
    [host]="host"
    [cpu]="abi cpu host"
    [jit]="abi cpu jit host"
    [loader]="abi cpu loader host vfs"
    [vfs]="abi vfs host"
    [syscalls]="abi cpu loader vfs syscalls host"
    [box]="abi cpu jit loader vfs syscalls box host include"
    [disk]="disk host/link.h"
    [cli]="cli disk include host/jail.h host/fault.h jit/store.h jit/profile.h"
)
failed=0
for room in "${!may[@]}"; do
    [ -d "$room" ] || continue
    while IFS=: read -r file line path; do
        first=${path%%/*}
        [[ ($room != disk && $room != cli) || $path != vfs/*_protocol.h ]] || continue
        # A name without a folder is of the same room, or the public header.
        if [ "$first" = "$path" ]; then
            [ "$path" != belljar.h ] || first=include
            [ ! -e "$(dirname "$file")/$path" ] || continue
        fi
        if [[ " ${may[$room]} " != *" $first "* && " ${may[$room]} " != *" $path "* ]]; then
            echo "$file:$line: $room/ may not include \"$path\""
            failed=1
        fi
    done < <(grep -rnoE --include='*.[ch]' '^ *# *include +"[^"]+"' "$room" | sed -E 's/# *include +"([^"]*)"/\1/; s/: */:/g')
done
exit $failed
