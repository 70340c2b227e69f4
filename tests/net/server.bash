# For the scripts here, after functions.sh: a directory of their own, and servers in it.
#
# shellcheck shell=bash
command -v python3 >/dev/null || exit 77
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR NETRC
work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null; rm -rf "$work"' EXIT
export HOME=$work

# serve [OPTION...]: a server of $work/files; its URL is $url, what it is asked is in $log.
serve() {
    local i said
    said=$(mktemp "$work/url.XXXX")
    log=$said.log
    mkdir -p "$work/files"
    python3 "$BELLJAR_SOURCE/tests/net/server.py" --log "$log" "$@" "$work/files" >"$said" &
    servers+=($!)
    for ((i = 0; i < 100; i++)); do
        [ -s "$said" ] && break
        sleep 0.1
    done
    # shellcheck disable=SC2034 # the scripts use it
    url=$(cat "$said")
    [ -n "$url" ] || bad 'no server'
}
