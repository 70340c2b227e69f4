# Background jobs, wait, traps, signals between processes, exit statuses, fork and exec.
# package: bash
# engines: interp eager lockstep
sleep 0.3 & p=$!; wait $p; echo "waited $?"
(exit 7) & wait $!; echo "status $?"
sleep 10 & p=$!; kill $p; wait $p; echo "killed $?"
sleep 10 & p=$!; kill -9 $p; wait $p 2>/dev/null; echo "killed $?"
for s in HUP INT QUIT USR1 PIPE ALRM TERM SEGV; do bash -c "ulimit -c 0; kill -$s \$\$"; echo "$s $?"; done 2>/dev/null
bash -c 'trap "echo got term; exit 3" TERM; kill $$; echo not reached'; echo $?
bash -c 'trap "" TERM; kill $$; echo survived'; echo $?
bash -c 'trap "echo usr1" USR1; (sleep 0.1; kill -USR1 $$) & wait; echo "wait was $?"; wait; echo "then $?"'
bash -c 'trap "echo chld" CHLD; sleep 0.1 & wait $!; :'
(trap 'echo sub exit' EXIT; true)
a=$(trap 'echo trapped' EXIT); echo "$a"
set -m; sleep 5 & kill -STOP %1; sleep 0.2; jobs -r | wc -l; kill -CONT %1; kill %1; wait %1 2>/dev/null; echo "job $?"; set +m
seq 100000 | head -1; echo "${PIPESTATUS[@]}"
yes | head -3; echo "${PIPESTATUS[@]}"
(trap '' PIPE; yes 2>/dev/null; echo "yes $?" >&2) | head -1
cat /dev/zero | head -c 100000 | wc -c
n=0; for i in $(seq 50); do n=$((n + $(echo $i))); done; echo $n
echo x | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat | cat
for i in 1 2 3 4 5 6 7 8; do (sleep 0.$i; exit $i) & done; wait; echo all
bash -c 'wait -n; echo $?' # here it may tell of the last of those above, natively too
coproc C { while read -r l; do echo "co $l"; done; }; echo hi >&"${C[1]}"; read -r r <&"${C[0]}"; echo "$r"; eval "exec ${C[1]}>&-"; wait
timeout 0.2 sleep 5; echo $?; { timeout -s KILL 0.2 sleep 5; echo $?; } 2>/dev/null; timeout 5 true; echo $?
timeout --preserve-status 0.2 sleep 5; echo $?; timeout 1 no_such; echo $?
echo $(($(nice -n 5 nice) - $(nice))); nohup echo nohup 2>/dev/null
exec 3< <(sleep 0.1; echo delayed); cat <&3
kill -0 $$ && echo alive; kill -0 999999; echo $?
kill -l TERM; kill -l 15; kill -l | head -3
bash -c 'exec -a other bash -c "echo \$0"'; bash -c 'echo $PPID' | grep -c .
env -i A=1 B=2 bash -c 'echo $A$B'; env -u HOME bash -c 'echo ${HOME-none}'; env -C /usr pwd; env false; echo $?; env nope; echo $?
(sleep 0.1; echo late) & disown; sleep 0.3
bash -c 'suspend_me() { :; }; ulimit -t; ulimit -f 1; dd if=/dev/zero of=/tmp/big bs=1k count=10; echo $?; stat -c %s /tmp/big' 2>/dev/null
kill -TERM 0
