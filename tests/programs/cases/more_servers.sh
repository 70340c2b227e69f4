# More servers, each with a client in the box: sshd, MariaDB, memcached, HAProxy, Apache, socat, Flask.
# image: extras
# package: openssh-server mariadb-server memcached haproxy apache2-bin socat python3-flask
# options: --memory 2G
cd /tmp || exit
until_up() { for _ in $(seq 200); do nc -z 127.0.0.1 "$1" && return; sleep 0.05; done; echo "nothing on $1"; }
echo '== sshd'
ssh-keygen -q -t ed25519 -N '' -f k; ssh-keygen -q -t rsa -b 2048 -N '' -f h; cp k.pub ak
/usr/sbin/sshd -h /tmp/h -p 2222 -o AuthorizedKeysFile=/tmp/ak -o UsePAM=no -o StrictModes=no -o PermitRootLogin=yes -o PidFile=/tmp/sshd.pid
until_up 2222
remote="ssh -p 2222 -i /tmp/k -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1"
$remote 'echo remote $((6*7)); cat; exit 5' </etc/hostname; echo $?
$remote -tt 'tty >/dev/null && echo a terminal; stty size </dev/null 2>/dev/null; exit' </dev/null | tr -d '\r'
mkdir -p x/y; seq 1000 >x/y/f; ln -s f x/y/l
rsync -a -e "${remote% *}" x/ root@127.0.0.1:/tmp/z/ && seq 1001 >x/y/f && rsync -a -e "${remote% *}" --itemize-changes x/ root@127.0.0.1:/tmp/z/ && diff -r x z && echo same
kill "$(cat sshd.pid)"
echo '== MariaDB'
pool=--innodb-buffer-pool-size-max=268435456 # by default it reserves 8 GiB of addresses
mkdir -p d
mariadb-install-db --no-defaults --user=root --datadir=/tmp/d --auth-root-authentication-method=normal $pool >log 2>&1 || tail -n 5 log
mariadbd --no-defaults --user=root --datadir=/tmp/d --socket=/tmp/s --skip-networking $pool >log2 2>&1 &
for _ in $(seq 200); do [ -S s ] && break; sleep 0.1; done
mariadb --no-defaults -uroot -S s -e 'create database x; use x; create table t(a int primary key, b text) engine=innodb; insert into t values (1, "one"), (2, "two"); start transaction; delete from t; rollback; select * from t; select sum(a) from t'
mariadb-admin --no-defaults -uroot -S s shutdown; wait; echo $?
echo '== memcached'
memcached -u root -p 11311 -d; until_up 11311; printf 'set a 0 0 3\r\nabc\r\nget a\r\nquit\r\n' | nc -q1 127.0.0.1 11311 | tr -d '\r'
echo '== HAProxy'
printf 'global\n maxconn 10\ndefaults\n mode http\n timeout connect 1s\n timeout client 2s\n timeout server 2s\nfrontend f\n bind 127.0.0.1:8088\n default_backend b\nbackend b\n server s 127.0.0.1:8099\n' >h.cfg
echo hello >index.html; python3 -m http.server 8099 >/dev/null 2>&1 & until_up 8099
haproxy -D -f h.cfg -p h.pid; until_up 8088; wget -q -O - http://127.0.0.1:8088/index.html; kill "$(cat h.pid)" $!
echo '== Apache'
mkdir -p w; echo hi >w/i; m=/usr/lib/apache2/modules
printf 'ServerName x\nServerRoot /etc/apache2\nDefaultRuntimeDir /tmp\nPidFile /tmp/a.pid\nListen 127.0.0.1:8081\nLoadModule mpm_event_module '$m'/mod_mpm_event.so\nLoadModule authz_core_module '$m'/mod_authz_core.so\nUser www-data\nGroup www-data\nErrorLog /tmp/e\nDocumentRoot /tmp/w\n' >a.conf
apache2 -f /tmp/a.conf; until_up 8081; for _ in 1 2 3; do wget -q -O - http://127.0.0.1:8081/i; done
kill "$(cat a.pid)"; for _ in $(seq 50); do [ -e a.pid ] || break; sleep 0.1; done; grep -o 'caught SIGTERM.*' e
echo '== socat'
socat TCP-LISTEN:7001,reuseaddr,fork EXEC:cat & until_up 7001; echo hi | socat - TCP:127.0.0.1:7001; kill $!; echo x | socat - EXEC:'tr x y',pty,echo=0 | tr -d '\r'
echo '== Flask'
printf 'from flask import Flask\na = Flask(__name__)\n@a.route("/<n>")\ndef i(n): return "hi " + n\na.run(port=5055)\n' >f.py; python3 f.py >/dev/null 2>&1 & until_up 5055
python3 -c 'import requests; print(requests.get("http://127.0.0.1:5055/flask").text)'; kill $!
