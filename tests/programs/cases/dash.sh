# One script in dash, bash --posix and busybox sh: jobs, traps, functions, expansions, builtins; and script(1), scriptreplay.
# image: userland
# package: dash bsdutils
cat >/tmp/d.sh <<'D'
sleep 5 & kill %1; wait %1; echo "killed $?"
sleep 0.1 & sleep 0.2 & wait; echo all
(exit 9) & wait $!; echo $?
trap 'echo usr1' USR1; kill -USR1 $$; (sleep 0.1; kill -USR1 $$; sleep 0.5) & wait; echo "interrupted $?"; wait; echo then $?
trap 'echo exit trap' EXIT; trap; trap - USR1
set -m; sleep 9 & p=$!; kill -STOP $p; sleep 0.2; jobs | sed "s/[0-9][0-9]*/N/2"; kill -CONT $p; sleep 0.2; kill $p; sleep 0.2; wait $p; echo "job $?"; set +m
(trap 'echo sub; exit 2' TERM; sleep 1 & wait) & sleep 0.2; kill $!; wait $!; echo $?
f() { local a=1; echo "$a $# $*"; return 4; }; f x y; echo $?; ${nope:+x}; : ${z:=def}; echo "$z ${#z} ${z#d} ${z%f} ${z##*e}"
cat <<E | tr a-z A-Z
here $(echo doc) $((3 * 7 % 4 << 2)) `echo tick`
here $(echo doc) $((3 * 7 % 4 << 2)) `echo tick`
E
case abc in a?[b-d]) echo match;; *) echo no;; esac; for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; while :; do break; done; until true; do :; done
IFS=:; set -- a:b; echo $1; set -- $1; echo $#; unset IFS; getopts ab: o -a -b v; echo $o; (set -e; false; echo no); echo $?; (set -u; echo $nope) 2>&1; echo $?; eval 'echo ev'; . /dev/stdin <<E
echo sourced
E
echo 'a  b' | { read x y; echo "[$x][$y]"; }; printf '%s|%5d|%x\n' a 42 255; umask 027; umask; umask -S; ulimit -n; ulimit -Hn; times | wc -l; type cd ls f; command -v f; alias q='echo aliased'; hash -r; readonly r=1; (r=2) 2>&1; test -t 0; echo $?; exec 3>/tmp/three; echo x >&3; exec 3>&-; cat /tmp/three; kill -l 9; kill -s TERM 99999999; false | true; echo $?; ! true; echo $?
D
dash /tmp/d.sh; echo "dash $?"; bash --posix /tmp/d.sh; echo "bash $?"; busybox sh /tmp/d.sh; echo "busybox $?"
script -qec 'tty | cut -c1-9; stty size; echo hi; exit 7' /tmp/typescript </dev/null; echo $?; sed 's/ on .*//; s/DONE.*//' /tmp/typescript | head -4; script -q -c 'read x; echo got $x' -O /tmp/o -T /tmp/t <<<word >/dev/null; scriptreplay -t /tmp/t -O /tmp/o -d 100 | tail -1; wc -l </tmp/t | grep -c .
