# #! scripts, programs that cannot be run, and their statuses.
# package: bash python3.11-minimal
cd /tmp || exit
printf '#!/bin/sh\necho sh "$0" "$@"\n' >a; printf '#!/usr/bin/env python3\nimport sys\nprint(sys.argv)\n' >b; printf '#!/bin/sh -x -y\n:\n' >c; printf '#!/no/such\n' >d; printf '#!/tmp/a arg with space\n' >e; printf '#!\n' >f; printf 'echo no line "$0"\n' >g; : >h; printf '#! /bin/cat\ncat me\n' >i; printf '\x7fELF broken' >j; printf '#!/tmp/k\n' >k; printf '#!/etc\n' >l
chmod 755 ?; cp a m; chmod 644 m; head -c 100 /usr/bin/env >n; chmod 755 n; (printf '#!/bin/echo '; printf 'x%.0s' {1..300}; echo) >o; chmod 755 o; printf '#!/tmp/e two\n' >p; chmod 755 p; cp /usr/bin/true t; chmod 111 t; printf '#!/bin/sh' >q; chmod 755 q; printf '\0\1\2' >r; chmod 755 r
for p in a b c d e f g h i j k l m n o p q r t nothing /etc /etc/passwd ''; do [ -e "$p" ] && p=$PWD/${p#/tmp/}; [ -e "$p" ] || p=./$p; "$p" one 'two three' 2>&1 | sed 's/line [0-9]*/line/'; echo "$p ${PIPESTATUS[0]}"; done
python3 - <<'END'
import os
for p in "abcdefghijklmnopqrt":
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open("/dev/null", os.O_WRONLY), 1); os.dup2(1, 2)
            os.execv("/tmp/" + p, [p])
        except OSError as e:
            os._exit(e.errno)
    print(p, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
for args, env in ((["x" * 131071], {}), (["x" * 131072], {}), (["x" * 100000] * 30, {}), (["y"] * 20000, {}), (["z"], {"E": "e" * 131100}), ([], {})):
    pid = os.fork()
    if pid == 0:
        try: os.execve("/usr/bin/true", ["true"] + args, env)
        except OSError as e: os._exit(e.errno)
    print(len(args), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
try: os.execv("/usr/bin/true", [])
except Exception as e: print(e)
END
cp /usr/bin/sleep s; ./s 5 & sleep 0.2; echo x >s; echo $?; cp /usr/bin/true s; echo $?; kill %1; wait %1 2>/dev/null; rm s; mkfifo ff; ./ff; echo $?
