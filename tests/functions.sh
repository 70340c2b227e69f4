# What test scripts begin with, after `set -u`; they end with `exit $failed`:
#
#     # shellcheck source=tests/functions.sh
#     . "$BELLJAR_SOURCE/tests/functions.sh"
#
# shellcheck shell=bash disable=SC2034
failed=0
bad() { # MESSAGE...
    printf 'FAILED: %s\n' "$*"
    failed=1
}
is() { [ "$2" = "$3" ] || bad "$1: got '$2', wanted '$3'"; }         # WHAT GOT WANTED
has() { [[ $2 == *"$3"* ]] || bad "$1: no '$3' in '$2'"; }           # WHAT GOT PART
lacks() { [[ $2 != *"$3"* ]] || bad "$1: there is '$3' in '$2'"; }   # WHAT GOT PART
