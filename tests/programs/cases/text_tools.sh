# Filters over text: sort, cut, tr, sed, grep, awk, uniq, comm, join, paste, od, ...
# package: coreutils sed grep mawk
# engines: interp lockstep
cd /tmp || exit
seq 1000 >n; sort -n n | md5sum; sort n | sha256sum; sort -rn n | head -3; shuf -i 1-100 --random-source=/usr/bin/bash | md5sum
sort -k2,2n -t: /etc/passwd; sort -u <<<$'b\na\nb'; sort -R --random-source=/etc/passwd n | md5sum; sort -S 64K n n n | uniq -c | tail -2; sort -c n; echo $?
cut -d: -f1,3 /etc/passwd; cut -c2-4 /etc/group; tr a-z A-Z </etc/hostname; tr -d '\n' <n | wc -c; tr -s 0 <n | tail -1
sed -n '10,12p;/99/{s/9/x/g;p}' n; sed 's/\(.*\)1/[\1]/;$!d' n; sed -i.bak 's/1/one/' n; head -2 n n.bak; sed -E 's/(e)(.)/\2\1/g' n | tail -1
grep -c 1 n.bak; grep -nE '^(1|2)0+$' n.bak; grep -r root /etc | sort | head; grep -o '[0-9]*7' n.bak | wc -l; grep -v . n; echo $?; grep -P '\d{4}' n.bak; echo $?
awk -F: '{s += $3; printf "%-8s %d\n", $1, $3} END {print NR, s, sqrt(2), substr("hello", 2, 3)}' /etc/passwd; awk 'BEGIN{while (i < 5) print i++, 2 ^ i, sin(i)}'
head -c 20 n | od -c; od -An -tx1 -N16 /usr/bin/bash; od -td2 -N8 /usr/bin/bash; od -tfD -N32 /usr/bin/bash; tail -n 2 n.bak; tail -c 5 n; tail -n +999 n.bak; head -n -998 n.bak
wc n.bak /etc/passwd; wc -L /etc/passwd; nl /etc/group | head -2; tac n.bak | head -2; rev 2>/dev/null </dev/null; fold -w 10 /etc/passwd | head -3; expand <<<$'a\tb'; unexpand -a <<<'a       b'
comm <(seq 1 5) <(seq 3 7); join <(printf '1 a\n2 b\n') <(printf '1 c\n2 d\n'); paste -d, <(seq 3) <(seq 4 6); paste -s n.bak | wc -c
uniq -c <<<$'a\na\nb'; uniq -d <<<$'a\na\nb'; pr -l 10 -t <<<hello; fmt -w 20 <<<'some words that go on and on'; column -t 2>/dev/null </dev/null; ptx <<<'a b' 2>/dev/null | head -2; tsort <<<$'a b\nb c'
printf '%s\n' 3M 1K 2G | sort -h; numfmt --to=iec 1048576; numfmt --from=si 5K; seq -w 8 11; seq 1 .5 3; seq -s, 5; seq -f %03g 3; factor 1234567 18446744073709551557 600851475143; expr 6 \* 7; expr abc : 'a\(.\)c'
echo hello | base64; base64 -d <<<aGVsbG8=; base32 <<<x; cksum /etc/passwd; sum /etc/passwd; md5sum /usr/bin/bash; sha1sum /usr/bin/bash; sha224sum /usr/bin/ls; sha256sum /usr/bin/python3.11; sha384sum /usr/bin/ls; sha512sum /usr/bin/ls; b2sum /usr/bin/ls
md5sum /etc/passwd /etc/group >sums; md5sum -c sums; echo x >>sums; md5sum -c sums; echo $?
split -l 300 n.bak part.; ls part.*; cat part.* | cmp - n.bak && echo same; csplit -s n.bak 500; wc -l xx*; split -n 3 -d n.bak c.; wc -c c.*
xargs -n 3 echo <<<'1 2 3 4 5 6 7'; seq 10 | xargs -P 3 -I{} sh -c 'exit 0'; echo $?; find /etc -type f -print0 | sort -z | xargs -0 ls -d | wc -l; xargs -I{} false {} <<<x; echo $?; echo a | xargs no_such; echo $?; seq 200000 | xargs echo | wc -lc
tee t1 t2 <n.bak | wc -l; cmp t1 t2 && echo same; tee -a t1 <<<x >/dev/null; wc -l t1; cmp t1 t2; diff t1 t2; diff -u t1 t2 | tail -3; diff -r /etc /etc && echo nodiff
date -u -d '2024-02-29 12:34:56.789' '+%F %T.%N %s %j %U %a %b %Z'; TZ=Europe/Berlin date -d @1700000000; TZ=America/New_York date -d '2024-07-04 00:00' +%c; date -d 'last monday 2024-01-10' +%F 2>&1; date -r /usr/bin/bash +%s; date -d nonsense; echo $?; date +%Y | grep -c '^20'
factor 97; yes | head -2; true; false; echo $?; test 1 -lt 2; echo $?; [ a = b ]; echo $?; basename /a/b.c .c; dirname /a/b/c; pathchk -p 'a:b'; printenv HOME; logname 2>/dev/null; whoami; id -un; id user; groups user; hostname; uname -sm; arch; tty; echo $?; getconf PAGE_SIZE; getconf LONG_BIT; getent passwd user; getent hosts localhost; locale | head -1; which ls; dircolors | head -1 | cut -c1-9; stty 2>&1; cat -A <<<$'a\tb\x01'; cat -n /etc/hostname; cat /nope /etc/hostname; echo $?
gzip -k n; ls -l n.gz | wc -l; gzip -dc n.gz | cmp - n && echo gz; zcat n.gz | tail -1; bzip2 -k n; bzcat n.bz2 | cmp - n && echo bz; xz -k n; xzcat n.xz | cmp - n && echo xz; gzip -l n.gz | tail -1; xz -t n.xz && echo ok; zgrep -c one n.gz; bzip2 -t n.gz; echo $?
