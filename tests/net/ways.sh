#!/bin/bash
# Ways to a server: TLS, proxies, netrc, passwords in URLs, headers from redirects on; and what is never printed.
# ctest: TIMEOUT 120
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
serve --auth "Basic $(printf 'me:se cret@' | base64)"
file=$work/files/f
head -c 500000 /dev/urandom >"$file"
plain=$url plain_log=$log host=${url#http://}
drive() { timeout 20 "$NET_DRIVE" --tries 2 --stall 2 --ranges 6 "$@" "$file" 2>&1; }
# ends WHAT PATTERN ARGUMENT...
ends() {
    local got
    got=$(drive "${@:3}")
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $2 ]] || bad "$1: got '$got', wanted '$2'"
    lacks "$1" "$got" secret
}

# Names and passwords. A URL's go to its host alone, as headers do.
ends 'no password' 'FAILED *401*' "$plain/~auth/f?secret"
ends 'in the URL' 'OK *' "http://me:se%20cret%40@$host/~auth/f"
ends 'in the URL, wrong' "FAILED http://$host/~auth/f: *401*" "http://me:secret@$host/~auth/f?secret#secret"
ends 'redirected here' 'OK *' "http://me:se%20cret%40@$host/~redirect-auth/f"
ends 'redirected elsewhere' 'OK *' "http://me:se%20cret%40@$host/~redirect-other/f"
ends 'a header, redirected elsewhere' 'OK *' --header 'X-Secret: secret' "$plain/~redirect-other/f"
has 'at the other host' "$(grep no-secrets "$plain_log")" 206
lacks 'at the other host' "$(grep no-secrets "$plain_log")" x-secret
lacks 'at the other host' "$(grep no-secrets "$plain_log")" authorization
printf 'machine 127.0.0.1 login me password "se cret@"\n' >"$work/.netrc"
ends 'netrc, not asked for' 'FAILED *401*' "$plain/~auth/f"
ends 'netrc' 'OK *' --netrc "$plain/~auth/f"
ends 'netrc, redirected elsewhere' 'OK *' --netrc "$plain/~redirect-other/f"
ends 'a header that is none' 'OPEN header 1 is not one*' --header 'secret' "$plain/f"
ends 'a header with a line of its own' 'OPEN header 1 is not one*' --header $'X: y\r\nX-Secret: secret' "$plain/f"

# URLs that are none.
for wrong in '' / nonsense ftp://127.0.0.1/f file:///etc/passwd http:// http://: 'http://[::1/f' 'http://127.0.0.1:99999/f' gopher://127.0.0.1/f; do
    ends "URL '$wrong'" 'FAILED *is not a URL of http or https' "$wrong"
done
ends 'no such host' 'FAILED *Could not resolve host*' 'http://nowhere.invalid/f'
ends 'nobody listens' 'FAILED *Failed to connect*' 'http://127.0.0.1:1/f'

# Proxies. The second server passes on what the first answers.
serve --delay 0
proxy=$url proxy_log=$log
http_proxy=$proxy ends 'a proxy' 'OK *' "$plain/f"
has 'what the proxy is asked' "$(cat "$proxy_log")" "GET $plain/f bytes="
http_proxy=$proxy no_proxy=127.0.0.1 ends 'no proxy for it' 'OK requests 6 *' "$plain/f?direct"
lacks 'what the proxy is asked' "$(cat "$proxy_log")" direct
http_proxy=http://127.0.0.1:1 ends 'no such proxy' 'FAILED *Failed to connect*' "$plain/f"
http_proxy=http://me:secret@127.0.0.1:1 ends 'no such proxy' 'FAILED *Failed to connect*' "$plain/f"

# TLS: only with a certificate that somebody vouches for.
command -v openssl >/dev/null || { echo 'no openssl: TLS is left out'; exit $failed; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=IP:127.0.0.1' -keyout "$work/key" -out "$work/cert" 2>/dev/null || bad 'openssl'
cat "$work/cert" "$work/key" >"$work/both"
serve --tls "$work/both"
ends 'TLS, unknown' 'FAILED *certificate*' "$url/f"
is 'asked for over TLS that was not trusted' "$(wc -l <"$log")" 0
CURL_CA_BUNDLE=$work/cert ends 'TLS' 'OK *' --check "$url/f"
SSL_CERT_FILE=$work/cert ends 'TLS' 'OK *' "$url/f"
SSL_CERT_FILE=$work/cert ends 'TLS, another host' 'FAILED *certificate*' "${url/127.0.0.1/127.0.0.2}/f"
SSL_CERT_FILE=$work/cert ends 'from TLS to none' 'FAILED *is redirected from https to http,*' "$url/~redirect-unsafe/f"
SSL_CERT_FILE=$work/cert https_proxy=$proxy ends 'TLS through a proxy' 'OK *' "$url/f"
has 'what the proxy is asked' "$(cat "$proxy_log")" "CONNECT ${url#https://} - proxy"
SSL_CERT_FILE=$work/none ends 'no such file' 'FAILED *' "$url/f"

# HTTP/2: all requests through one connection, many at once.
command -v node >/dev/null || { echo 'no node: HTTP/2 is left out'; exit $failed; }
coproc node "$BELLJAR_SOURCE/tests/net/http2.js" "$work/cert" "$work/key" "$work/files"
servers+=("$COPROC_PID")
read -r -t 10 url <&"${COPROC[0]}" || bad 'no HTTP/2 server'
SSL_CERT_FILE=$work/cert ends 'HTTP/2' 'OK *' --ranges 1 --check "$url/f"
SSL_CERT_FILE=$work/cert ends 'HTTP/2, much at once' 'OK *' --ranges 60 --together 40 "$url/f"
input=${COPROC[1]}
exec {input}>&-
read -r -t 10 said <&"${COPROC[0]}"
echo "$said"
connections=${said#connections } connections=${connections%% *}
((${said##* } > 12)) || bad "HTTP/2: $said"
((connections <= 7)) || bad "HTTP/2: $said"
exit $failed
