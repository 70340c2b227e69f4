#!/bin/bash
# Any of what can go wrong, up to three at once, for some requests or for all: never a wrong byte, a crash or a hang.
#
#     campaign.sh [SECONDS [SEED]]
# ctest: TIMEOUT 240
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve --auth 'Bearer 1234'
seconds=${1:-6} seed=${2:-1}
RANDOM=$seed
file=$work/files/f
head -c 2000001 /dev/urandom >"$file"
mapfile -t wrong < <(sed -n 's/^    "\([a-z0-9-]*\)": .*/\1/p' "$BELLJAR_SOURCE/tests/net/wrong.py")
((${#wrong[@]} > 60)) || bad 'wrong.py is not read as it was'

# path KIND. What has another version from its first answer on is another resource: the version changes only where the
# first request is alone (not of kind 0), and where nothing else is wrong with that.
path() {
    local n=$((1 + RANDOM % 3)) all='' name
    for ((; n > 0; n--)); do
        name=${wrong[RANDOM % ${#wrong[@]}]}
        if [[ $name == change* ]]; then
            (($1)) && all=/~$name@$((1 + RANDOM % 12))
            break
        fi
        all+=/~$name
        ((RANDOM % 4)) && all+="=$((1 + RANDOM % 6))"
        ((RANDOM % 2)) && all+=@$((RANDOM % 12))
    done
    printf '%s/f' "$all"
}
# try N PATH SEED KIND
try() {
    local status
    case $4 in
    0) timeout 100 "$NET_DRIVE" --tries 3 --stall 1 --seed "$3" --check "$url$2?$1" "$file" ;;
    1) timeout 100 "$NET_DRIVE" --tries 3 --stall 1 --ranges 0 "$url$2?$1" "$file" ;;
    2) timeout 100 "$NET_SOURCE" --tries 3 --stall 1 --seed "$3" --wants 5 --check "$url$2?$1" "$file" ;;
    esac >"$work/said.$1" 2>&1
    status=$?
    ((status < 2)) || echo "$2 seed $3 kind $4: status $status: $(tail -n 3 "$work/said.$1" | tr '\n' ';')" >>"$work/failures"
    cut -d' ' -f1 "$work/said.$1" >>"$work/ends"
    rm "$work/said.$1"
}

n=0
while ((SECONDS < seconds)); do
    ((n += 1))
    kind=$((RANDOM % 3))
    try "$n" "$(path "$kind")" "$RANDOM" "$kind" &
    while (($(jobs -rp | wc -l) > 12)); do wait -n; done # the server is one of them
done
while (($(jobs -rp | wc -l) > 1)); do wait -n; done
[ ! -e "$work/failures" ] || while read -r line; do bad "$line"; done <"$work/failures"
echo "seed $seed: $n runs: $(sort "$work/ends" | uniq -c | sort -rn | tr -s ' \n' ' ')"
((n > 10)) || bad "only $n runs"
exit $failed
