# Pipes, redirections, here-documents, globs, arithmetic, functions, arrays, substitutions.
# package: bash
# engines: interp eager lockstep:fast
cd /tmp || exit
mkdir work; cd work || exit
echo a | tr a b
printf '%s\n' one two three | while read -r line; do echo "<$line>"; done
cat <<END
here $((6 * 7)) $(echo substituted) `echo old`
END
cat <<'END'
literal $((6 * 7)) $(echo)
END
cat <<-END
	tabs go
	END
cat <<<"here string"
touch a1 a2 b1 .hidden 'with space' ab
echo *; echo a?; echo [ab]1; echo .h*; echo {x,y}{1..3}; echo none*; ls -a | sort
shopt -s extglob nullglob dotglob
echo !(a*); echo none*; echo *; shopt -u nullglob dotglob
echo $((2 ** 40 + 7 % 3)) $((0x1f | 8)) $((1 << 62)) $((-7 / 2)) $((5 > 3 ? 10 : 20)) $((16#ff)) $((1,2))
f() { local x=$1; [ "$x" -le 1 ] && echo 1 && return; echo $((x * $(f $((x - 1))))); }
f 6
a=(zero one "two three"); a[7]=seven; echo "${#a[@]} ${!a[*]} ${a[2]} ${a[@]:1:2}"
declare -A m=([k]=v [l]=w); for k in k l; do echo "$k=${m[$k]}"; done
s=hello.tar.gz; echo "${s%.gz} ${s%%.*} ${s#*.} ${s##*.} ${s/l/L} ${s//l/L} ${s:1:3} ${#s} ${s^^} ${s^}"
unset u; echo "${u:-default} ${u:=set} ${u:+alt}"; (: "${v:?message}") 2>&1; echo "status $?"
case hello.c in *.h) echo h;; *.c) echo c;;& hello*) echo again;; esac
exec 5>out5; echo to five >&5; exec 5>&-; cat out5
{ echo out; echo err >&2; } >both 2>&1; cat both
{ echo out; echo err >&2; } 2>&1 >/dev/null | sed 's/^/piped: /'
ls /nonexistent; echo "status $?"; ls /nonexistent 2>/dev/null || echo failed
(cd /usr && pwd; exit 4); echo "$? $PWD"
! true; echo $?; true && false || echo or
set -o pipefail; false | true; echo $?; set +o pipefail; false | true; echo $? "${PIPESTATUS[@]}"
diff <(printf '1\n2\n') <(printf '1\n3\n'); tee >(sed s/^/tee:/ >teed) <<<x; sleep 0.2; cat teed
printf '%05d|%-6s|%x|%q|%b\n' 42 ab 255 "a b" 'x\ty'
read -r x y <<<"1 2 3"; echo "$x-$y"; IFS=: read -ra parts <<<"a:b:c"; echo "${parts[1]}"
mapfile -t lines < <(seq 3); echo "${lines[2]}"
for ((i = 0; i < 3; i++)); do printf '%s ' $i; done; echo
i=0; until [ $i -ge 3 ]; do i=$((i + 1)); [ $i = 2 ] && continue; echo "i $i"; done
select_() { echo "${FUNCNAME[0]} $# $*"; shift; echo "$@"; }; select_ 1 '2 3'
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"; [[ -d /usr && ! -e /nope ]] && echo dir
eval 'echo evaluated'; x='a b'; set -- $x; echo $#
trap 'echo exiting' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo err' ERR; false; trap - ERR
noclobber() { set -C; echo x >a1; echo "noclobber $?"; set +C; }; noclobber
type -t ls cd f if; command -v bash; hash -r
no_such_command; echo $?; ./a1; echo $?; /tmp; echo $?
umask; umask 077; touch private; stat -c %a private
printf 'x%.0s' {1..10}; echo; echo -e 'a\x41\u00e9'; echo $'tab\there'
time_out=$( { time -p true; } 2>&1 | wc -l); echo "$time_out"
ulimit -c; exit 9
