#!/bin/bash
# --trace syscalls against strace: tests/trace/calls.c makes the calls a program meets daily; what belljar prints of them
# in a box and strace on this kernel must be the same lines, but for addresses, ids, times and what the two machines
# differ in (listed in normalise). Without strace, or where it may not trace, the box's lines are still looked at for
# what needs no judge.
# ctest: TIMEOUT 600
#   TRACE_KEEP=DIR  leaves the traces there
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
families='files more_files ipc memory signals processes more_processes killed rarely flags threads local inet waiting others'
work=${TRACE_KEEP:-$(mktemp -d)}
[ -n "${TRACE_KEEP:-}" ] || trap 'rm -rf "$work"' EXIT

# The lines between the two marks and behind them; broken lines joined; each thread's together, in order of appearance.
lines() {
    awk '
        { pid = $1; text = substr($0, index($0, " ")); sub(/^ +/, "", text) }
        !(pid in order) { order[pid] = ++threads }
        /write\(-1, "begin", 5\)/ { on = 1; next }
        !on { next }
        text ~ / <unfinished \.\.\.>$/ { sub(/ <unfinished \.\.\.>$/, "", text); begun[pid] = text; next }
        text ~ /^<\.\.\. [a-z0-9_]+ resumed>/ { sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "", text); text = begun[pid] text }
        { printf "%d %s\n", order[pid], text }' "$1" | sort -s -n -k1,1
}

# What differs from one machine or run to the next: addresses, ids, ports, times, sizes of the machine, the padding.
normalise() {
    sed -E 's/ +(= [-?0-9])/ \1/
        s/0x[0-9a-f]{5,}/ADDR/g
        s/(si_pid|si_uid|htons|tv_u?n?sec|tms_[a-z]*|[us]i_[us]time|nodename)(=|\()"?[-a-zA-Z0-9]+"?( \/\*[^*]*\*\/)?/\1\2N/g
        s/(parent_tid=)\[[0-9]+\]/\1[N]/
        s/^([0-9]+ (getpid|gettid|set_tid_address|clone|clone3|vfork|wait4|getpgid|shmget|semget|msgget|rt_sigreturn)\(.* = )[0-9]+/\1N/
        s/^([0-9]+ (kill|tgkill|kcmp|process_vm_readv|process_vm_writev|wait4|rt_sigqueueinfo|shmat|shmctl|semtimedop|semctl|msgctl)\()[0-9]+(, [0-9]+,)?/\1N/
        s/(waitid\(P_PID, )[0-9]+/\1N/
        s/(FUTEX_WAIT_BITSET\|FUTEX_CLOCK_REALTIME, )[0-9]+/\1N/
        s/^([0-9]+ (times|sysinfo)\().*/\1.../
        s/(TIOCGPTN, \[)[0-9]+/\1N/; s/\/dev\/pts\/[0-9]+/\/dev\/pts\/N/g
        s/(getrandom\()"[^"]*"/\1BYTES/
        s/(readlink\("\/proc\/self\/exe", ).*/\1.../
        s/(1<<CAP_[A-Z_]+\|?)+/CAPS/g
        s/\{pid=[0-9]+/{pid=N/
        /FUTEX_WAIT_BITSET\|FUTEX_CLOCK_REALTIME, N, NULL/d
        s/(sched_runtime|sched_util_max)=[0-9]+/\1=N/g
        s/(f_fsid=).*/\1.../
        /clock_adjtime/{
            s/=-?[0-9]+/=N/g
            s/status=[A-Z_0-9|]+/status=S/
            s/ = .*//
        }
        s/STATX_(TYPE|ALL)[A-Z_|]*/STATX/
        s/(membarrier\(MEMBARRIER_CMD_QUERY, 0\)).*/\1/
        s/SNDCTL_TMR_STOP or //
        s/(sched_[gs]etaffinity\(.*)\[[0-9 ]*\]\) += [0-9]+/\1[CPUS])/
        s/(getcpu\(\[)[0-9]+/\1N/'
}

trace_box() { # FAMILY
    "$BELLJAR" --image "$BELLJAR_IMAGE" --put "$work/calls:/tmp/calls" --trace syscalls --trace-file "$work/$1.box" \
        -- /tmp/calls "$1" </dev/null >/dev/null 2>&1
}

# Whether strace prints the same lines of FAMILY; if not, they are in its .diff.
same() {
    local family=$1
    (
        cd "$work" || exit 1
        for fd in {3..30}; do eval "exec $fd>&-"; done
        strace -f -o "$family.host" ./calls "$family" </dev/null >/dev/null 2>&1
    )
    lines "$work/$family.host" | normalise >"$work/$family.wanted"
    lines "$work/$family.box" | normalise >"$work/$family.got"
    diff "$work/$family.wanted" "$work/$family.got" >"$work/$family.diff"
}

${CC:-cc} -static -O1 -w -D_GNU_SOURCE -o "$work/calls" "$BELLJAR_SOURCE/tests/trace/calls.c" -lpthread -lrt || exit 1
judge=no
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then judge=yes; fi
for family in $families hostile; do
    trace_box "$family"
    [ $? = 3 ] || bad "$family did not end with status 3 in the box"
    awk 'length > 4096 { exit 1 }' "$work/$family.box" || bad "$family: a line longer than 4096 bytes"
    tail -n 1 "$work/$family.box" | grep -q '+++ exited with 3 +++$' || bad "$family: the last line is not the exit"
    if [ $judge = no ] || [ "$family" = hostile ] || same "$family"; then continue; fi
    # Threads and children that were late by more than the program waits for: once more.
    trace_box "$family"
    same "$family" || bad "$family: < strace, > belljar
$(cat "$work/$family.diff")"
done
[ $judge = yes ] || echo "no strace that works here: its lines were not compared"
exit $failed
