# The image's own tree: times, sizes, owners, links, blocks. In the box /dev/shm, /proc, /sys and /tmp are other file systems.
# package: coreutils findutils
# native: -m
ls -lR --time-style=full-iso /usr/lib
ls -la --time-style=full-iso / | grep -vE ' (dev|proc|sys|tmp)$|^total' | tr -s ' '
ls -laiR /etc; ls -lSr /usr/bin | head -20; ls -lt /usr/bin | head; ls -ls /usr/sbin; ls -F /; ls -x /usr/share; ls -1rv /usr/lib/python3.11 | tail
find / -xdev ! -path /lost+found ! -path '/dev' ! -path /proc ! -path /sys ! -path /tmp -printf '%p %y %s %b %n %m %U %G %i %T@ %l\n' | sort
find /usr -name '*.so*' -type f -size +100k | sort; find /usr/bin -type l -lname '*3*' | sort; find / -xdev -links +1 -type f | sort
find /usr -newer /usr/bin/bash -type d | sort | head; find /etc -type f -empty | sort; find /usr -maxdepth 2 -perm -755 -type d | sort
find /usr/lib -name '*.py' -exec grep -l 'import ctypes' {} + | sort; find /etc -name 'pass*' -exec stat -c '%n %s %U' {} \;
find -L /bin/sh -type f; find /usr -samefile /usr/bin/bzip2 | sort; find / -xdev -nouser; find /usr -user 1000; find /home -user user
du -sh /usr/lib/python3.11/json; du -a /etc | sort; du -s --apparent-size -b /usr/share; du -sh /usr
stat -c '%n %F %s %b %B %h %a %U %G %i %X %Y %Z %o %d %t' /usr/bin/bash /etc /bin /usr/bin/bzip2 | sed -E 's/ [0-9]+ 0$//'
stat -f -c '%T %l %s %S' /; stat -c '%F %t %T' /dev/null /dev/zero; stat -L -c %F /bin/sh; readlink /bin /usr/bin/python3; readlink -f /bin/sh /lib64/ld-linux-x86-64.so.2
realpath /usr/bin/../lib/./python3.11; realpath -s /bin/sh; namei / 2>/dev/null; test -x /bin/sh && test -L /bin && test -s /etc/passwd && echo tests
