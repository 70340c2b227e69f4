#!/bin/bash
# Where a host cannot do what the translator needs, or the verifier refuses a block: the program runs all the same and
# --trace jit says why, once; or belljar ends, in one line.
# ctest: LABELS no-asan
# (the sanitizers' builds need more memory than is left here)
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
engines=$BELLJAR_BUILD/tests/engine
failed=0
bad() {
    printf 'FAILED: %s\n' "$*"
    head -c 1000 "$work/err"
    failed=1
}
# Two processes of the guest's, so that "once" means something.
program=(bash -c 'python3 -c "print(6*7)"; exit 7')
# expect STATUS OUTPUT REGEX COMMAND...: the whole of standard error is one line like REGEX; without REGEX it is empty. The
# counts at the end are not looked at.
expect() {
    local want=$1 output=$2 regex=$3 status
    shift 3
    "$@" --image "$BELLJAR_IMAGE" --trace jit -- "${program[@]}" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    sed -i '/^jit: [0-9]* blocks /d; /^jit: left /d; /^jit: code changed /d; /^jit: interpreted most:/d; /^jit: code cache: /d' "$work/err"
    [ "$status" = "$want" ] || bad "$*: status $status"
    [ "$(cat "$work/out")" = "$output" ] || bad "$*: printed $(head -c 200 "$work/out")"
    if [ -z "$regex" ]; then
        [ ! -s "$work/err" ] || bad "$*: said something"
    elif [ "$(wc -l <"$work/err")" != 1 ] || ! grep -Eq "^$regex" "$work/err"; then
        bad "$*: wanted one line like $regex"
    fi
}

expect 7 42 '' "$BELLJAR"
expect 7 42 '' "$BELLJAR" --verify-code
expect 7 42 '' "$BELLJAR" --engine interp
expect 7 42 'jit: interpreting: the host gives no executable memory: Permission denied' "$engines/engine-without" exec "$BELLJAR"
expect 7 42 'jit: interpreting: no room for the table of targets' "$engines/engine-without" promise "$BELLJAR"
expect 7 42 '' "$engines/engine-no_fsgsbase" --verify-code
expect 7 42 '' "$engines/engine-no_fsgsbase" --deterministic 1
# No timer of the thread's own (timer_create(2)): the process's is used.
(ulimit -i 0 && expect 7 42 '' "$BELLJAR" && exit $failed) || failed=1
expect 125 '' 'belljar: a mistake of the translator.s, caught by the verifier: ' "$engines/engine-refusing" --verify-code

# The library missing: said before anything runs.
cp "$BELLJAR" "$work/belljar" # another file than the one the loader may have seen
mkdir "$work/empty"
printf 'not a library' >"$work/empty/libZydis.so.4.0"
LD_LIBRARY_PATH=$work/empty expect 125 '' 'belljar: the verifier needs libZydis' "$work/belljar" --verify-code
exit $failed
