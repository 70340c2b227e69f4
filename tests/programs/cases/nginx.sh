# nginx and curl: static files, ranges, gzip, a proxy before Python's http.server, TLS, several workers, reload by signal, as root and as a user.
# image: userland
# package: nginx-light curl
# native: -r
step() { echo "== $*"; }
get() { curl -sS --max-time 20 "$@"; }
heads() { tr -d '\r' | grep -viE '^(date|last-modified|etag|server|connection|keep-alive):'; }
ready() { for n in $(seq 100); do curl -s -o /dev/null --max-time 2 "$1" && return; sleep 0.1; done; echo "no $1"; }
wait_for() { for n in $(seq 100); do "$@" && return; sleep 0.1; done; echo "still not: $*"; }
workers() { pgrep -c -P $(cat log/root.pid) -f worker; }
mkdir -p /tmp/www/sub /tmp/log /tmp/up && cd /tmp || exit
seq 20000 >www/numbers.txt; echo '<h1>hello</h1>' >www/index.html; head -c 3000000 /usr/bin/python3.11 >www/big.bin; echo in >www/sub/in.txt; mkdir www/sub/deep; echo secret >www/closed; chmod 600 www/closed
echo up >up/a.txt
cat >up/server.py <<'END'
import http.server, sys, time
class Handler(http.server.SimpleHTTPRequestHandler):
    count = 0
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(b"%d bytes, %d, from %s\n" % (len(body), sum(body), self.headers["X-Real"].encode()))
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.3)
        if self.path in ("/slow", "/cached"):
            Handler.count += self.path == "/cached"
            return self.reply(b"answer %d\n" % Handler.count)
        super().do_GET()
    def reply(self, body):
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8001), Handler).serve_forever()
END
(cd up && exec python3 server.py) & up=$!
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
conf() {
    cat <<END
$1
worker_processes $2;
pid /tmp/log/$3.pid;
error_log /tmp/log/$3.error notice;
events { worker_connections 64; }
http {
    include /etc/nginx/mime.types;
    access_log /tmp/log/$3.access;
    client_body_temp_path /tmp/log/$3.body; proxy_temp_path /tmp/log/$3.proxy;
    fastcgi_temp_path /tmp/log/$3.f; uwsgi_temp_path /tmp/log/$3.u; scgi_temp_path /tmp/log/$3.s;
    client_max_body_size 8m; sendfile on; tcp_nopush on; keepalive_timeout 5;
    gzip on; gzip_types text/plain; gzip_min_length 100;
    proxy_cache_path /tmp/log/$3.cache keys_zone=c:1m;
    upstream back { server 127.0.0.1:8001; keepalive 4; }
    server {
        listen 127.0.0.1:$4; listen unix:/tmp/log/$3.sock; listen [::1]:$4;
        $5
        root /tmp/www;
        location / { add_header X-Version $6; }
        location /list/ { alias /tmp/www/sub/; autoindex on; autoindex_format json; }
        location /up/ { proxy_pass http://back/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Real \$remote_addr; }
        location /cached { proxy_pass http://back/cached; proxy_cache c; proxy_cache_valid 200 1m; add_header X-Cache \$upstream_cache_status; }
        location /limit { limit_except GET { deny all; } return 200 "limited \$request_method\n"; }
        location /old { rewrite ^/old/(.*)\$ /sub/\$1 permanent; }
        location /gone { proxy_pass http://127.0.0.1:9; }
        error_page 404 /index.html;
    }
}
END
}

step 'workers as www-data'
conf 'user www-data;' 3 root 8080 '' one >root.conf
nginx -t -q -c /tmp/root.conf; echo "test $?"; nginx -c /tmp/root.conf; echo "start $?"; ready http://127.0.0.1:8080/
ps -o user= -C nginx | sort | uniq -c
get -i http://127.0.0.1:8080/ | heads
get -I http://localhost:8080/numbers.txt | heads
get -g http://[::1]:8080/sub/in.txt; get --unix-socket log/root.sock http://x/sub/in.txt
get http://127.0.0.1:8080/big.bin | cmp - www/big.bin && echo same
get -o big.gz -H 'Accept-Encoding: gzip' http://127.0.0.1:8080/numbers.txt; gzip -dc big.gz | cmp - www/numbers.txt && [ $(stat -c %s big.gz) -lt 60000 ] && echo gzip
get --compressed http://127.0.0.1:8080/numbers.txt | md5sum
get -r 1000-1019 http://127.0.0.1:8080/numbers.txt | tr '\n' ' '; get -r 0-1,10-11 http://127.0.0.1:8080/numbers.txt | grep -c Content-Range; get -o /dev/null -w '%{http_code} %{size_download}\n' -r 99999999- http://127.0.0.1:8080/numbers.txt
for path in closed missing sub old/in.txt limit gone up/missing; do get -o /dev/null -w "$path %{http_code} %{redirect_url}\n" http://127.0.0.1:8080/$path; done
get -L http://127.0.0.1:8080/old/in.txt; get -X PUT -d x http://127.0.0.1:8080/limit -o /dev/null -w '%{http_code}\n'
get http://127.0.0.1:8080/list/ | grep -o '"name":"[^"]*"' | sort | tr '\n' ' '; echo
get -o /dev/null --etag-save etag http://127.0.0.1:8080/; get --etag-compare etag -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/
printf 'GET / HTTP/1.0\r\n\r\n' | curl -s --max-time 5 telnet://127.0.0.1:8080 | head -1
printf 'nonsense\r\n\r\n' | curl -s --max-time 5 telnet://127.0.0.1:8080 | head -1

step proxy
get http://127.0.0.1:8080/up/a.txt; get --data-binary @www/big.bin http://127.0.0.1:8080/up/post; get -H 'Transfer-Encoding: chunked' -d chunk http://127.0.0.1:8080/up/post
get -H 'Expect: 100-continue' -T www/numbers.txt -X POST http://127.0.0.1:8080/up/post
for n in 1 2 3; do get -i http://127.0.0.1:8080/cached | grep -iE 'answer|x-cache'; done
for n in 1 2 3 4 5 6 7 8; do get http://127.0.0.1:8080/up/slow & done | sort | uniq -c | sort
 get -Z --parallel-max 20 "http://127.0.0.1:8080/sub/in.txt?[1-200]" 2>/dev/null | sort | uniq -c
awk '{ print $9 }' log/root.access | sort | uniq -c

step 'reload and reopen'
old=$(pgrep -P $(cat log/root.pid) -f worker | sort | head -1)
(get --limit-rate 1500k http://127.0.0.1:8080/big.bin | cmp - www/big.bin && echo 'a long download ends') & long=$!
sleep 0.3; conf 'user www-data;' 2 root 8080 '' two >root.conf; kill -HUP $(cat log/root.pid)
version() { get -I http://127.0.0.1:8080/ | grep -q two; }; wait_for version; wait $long
old_gone() { ! kill -0 $old 2>/dev/null; }; wait_for old_gone; workers
mv log/root.access log/rotated; kill -USR1 $(cat log/root.pid); new_log() { [ -e log/root.access ]; }; wait_for new_log; get -o /dev/null http://127.0.0.1:8080/; sleep 0.2; wc -l <log/root.access
kill -9 $(pgrep -P $(cat log/root.pid) -f worker | head -1); sleep 0.2; two() { [ "$(workers)" = 2 ]; }; wait_for two; ready http://127.0.0.1:8080/; echo 'a killed worker is replaced'

step 'as a user, with TLS'
mkdir user && chown user: user log && chmod 644 key.pem
conf '' 2 user 8443 'ssl_certificate /tmp/cert.pem; ssl_certificate_key /tmp/key.pem; listen 127.0.0.1:8444 ssl http2; ' tls >user.conf
setpriv --reuid user --regid user --clear-groups nginx -c /tmp/user.conf; echo "start $?"; ready http://127.0.0.1:8443/
ps -o user= -C nginx | sort | uniq -c
get --cacert cert.pem https://localhost:8444/; get -o /dev/null -w '%{http_version} %{http_code} %{ssl_verify_result}\n' --cacert cert.pem https://localhost:8444/big.bin
get --http1.1 --tls-max 1.2 --cacert cert.pem https://localhost:8444/big.bin | cmp - www/big.bin && echo same
curl -s https://localhost:8444/; echo "untrusted $?"; get -k https://127.0.0.1:8444/sub/in.txt
echo | openssl s_client -connect localhost:8444 -CAfile cert.pem -brief 2>&1 | grep -E '^(Protocol|Cipher|Verification)'
nginx -c /tmp/user.conf -s quit 2>&1 | sed 's/.*\[/[/; s/[0-9#]*://'; no_user() { [ ! -e log/user.pid ]; }; wait_for no_user
kill $(cat log/root.pid); no_root() { [ ! -e log/root.pid ]; }; wait_for no_root
get http://127.0.0.1:8080/; echo "status $?"; kill $up; wait $up 2>/dev/null; pgrep -c nginx
grep -oE '(signal [0-9]+ \(SIG(HUP|QUIT|TERM|USR1)\)|reconfiguring|gracefully shutting down|permission denied|Connection refused)' -i log/root.error | sort | uniq -c | grep -vE 'gracefully|SIGQUIT'
