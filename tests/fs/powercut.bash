# Boxes with a delta file that are killed (SIGKILL; all their processes, or the one that was started, or the worker) at
# random moments: the next box must find
# a tree that some operation had made, and nothing of what fsync had promised may be missing. That the host itself keeps
# what it was told to keep is not asked: its memory stays.
#
#     cut_power ROUNDS SEED PREPARE    PREPARE SEED makes an image, or does nothing
#
# Uses $work, and box SEED OPERATIONS ..., which sets `command`.
# shellcheck shell=bash

# The one that is not killed ends by itself: worker and server with the broker, broker and server with the worker.
kill_some() { # BROKER, which leads their group
    case $((RANDOM % 4)) in
    0) kill -KILL "$1" ;;
    1) kill -KILL "$(pgrep -P "$1" -n)" ;; # the worker is the younger child
    *) kill -KILL -- "-$1" ;;
    esac
}
wait_for_the_rest() { # GROUP
    local i
    for ((i = 0; i < 500; i++)); do
        pgrep -g "$1" -r D,R,S,T >/dev/null || return
        sleep 0.02
    done
    bad "processes of a box are left 10 seconds after its end"
    kill -KILL -- "-$1"
}

# The last line of the journal may be cut off.
promised() { sed -n 's/^synced \([0-9]*\)$/\1/p' "$work/journal" | tail -1; }

cut_power() {
    local round seed n pid i said cuts=0 most=0
    RANDOM=$2
    for ((round = 0; round < $1; round++)); do
        seed=$(($2 + round))
        "$3" $seed
        rm -f "$work"/delta*
        : >"$work/journal"
        box $seed 1000000 --every 1000000 --journal 1
        setsid "${command[@]}" >"$work/journal" 2>"$work/errors" & # a group of its own
        pid=$!
        for ((i = 0; i < 500; i++)); do
            [ ! -s "$work/journal" ] || break
            sleep 0.02
        done
        sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
        kill_some "$pid" 2>/dev/null || bad "seed $seed: the box has ended by itself: $(cat "$work/errors" "$work/journal")"
        wait "$pid" 2>/dev/null
        wait_for_the_rest "$pid"
        n=$(promised)
        [ -n "$n" ] || continue
        box $seed 1000000 --verify "$n"
        said=$(timeout 120 "${command[@]}" 2>&1) || bad "seed $seed, after $n operations: $said"
        [[ $said == *'the tree is that after operation '* ]] || bad "seed $seed: $said"
        cuts=$((cuts + 1))
        [ "$n" -le "$most" ] || most=$n
    done
    echo "$cuts of $1 were killed after an fsync, the last after $most operations"
    [ "$cuts" -gt 0 ] || bad 'no box was killed after an fsync'
}
