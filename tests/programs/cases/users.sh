# An ordinary user: permissions.
# package: coreutils
# options: --user 1000:1000
# native: -w -u 1000:1000
id; whoami; umask; cat /etc/shadow; ls /root; cat /root/x; touch /etc/x /usr/x; echo $?; mkdir /x; cd /tmp && mkdir mine && touch mine/f && chmod 0 mine/f && cat mine/f; chmod 500 mine; touch mine/g; rm mine/f; echo $?; chmod 300 mine; ls mine; rm mine/f; chmod 600 mine; ls mine/ ; cd mine; echo $?; chown root /tmp/mine; echo $?; chgrp 0 /tmp/mine; echo $?; chmod 2777 /tmp/mine; stat -c %a /tmp/mine; chown :1000 /tmp/mine
touch -d @0 /etc/passwd; echo $?; ln /etc/passwd /tmp/p; echo $?; kill -9 1; echo $?; nice -n -5 true; mknod /tmp/n c 1 3; echo $?; mkfifo /tmp/ff; test -w /etc; echo $?; test -r /etc/shadow; echo $?; test -x /root; echo $?; hostname x; date -s @0 >/dev/null; echo $?; python3 -c 'import os; print(os.getuid(), os.geteuid(), os.getresuid(), os.getgroups(), os.access("/root", os.X_OK))
for f in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([5]), lambda: os.chroot("/"), lambda: os.chown("/tmp", 0, 0), lambda: os.setresuid(1000, 0, 1000), lambda: os.setpriority(0, 0, -1), lambda: os.mkdir("/proc/x"), lambda: os.rename("/etc", "/e"), lambda: os.link("/usr/bin/env", "/tmp/e")):
    try: print(f())
    except OSError as e: print(e)'
echo '#!/bin/sh
echo script $0 $1' >/tmp/s; /tmp/s; echo $?; chmod 755 /tmp/s; /tmp/s a; chmod 711 /tmp/s; /tmp/s a; chmod 744 /tmp/s; ls -l /tmp/s | cut -c1-30
