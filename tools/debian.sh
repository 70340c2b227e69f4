# Debian packages without apt's database: what mmdebstrap needs to know of this host. Sourced (bash) by images/build and
# tools/setup.sh.
#
#   debian_sources SUITE DIR   the files in DIR, written now, with the host's own apt sources for this suite, one a line
#   debian_proxy               apt's proxy settings as options of mmdebstrap, one a line
# shellcheck shell=bash

# The host's own apt sources, as far as they are Debian's for this suite (`bookworm`, `bookworm-security`, ...).
debian_sources() {
    local suite=$1 list="$2/host.list" deb822="$2/host.sources" file
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        grep -E "^deb +(\[[^]]*\] +)?[a-z]+:[^ ]*debian[^ ]* +$suite(-security|-updates)?(/updates)? .*main" |
        grep -v '^deb cdrom:' >"$list" || true
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] && sed -e '/^#/d' "$file" && echo
    done | awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" }
        /(^|\n)Types:[^\n]*deb( |\n|$)/ && /(^|\n)URIs:[^\n]*debian/ && !/(^|\n)Enabled: *no/ &&
        $0 ~ "(^|\n)Suites:[^\n]* " suite "(-security|-updates)?( |\n|$)"' >"$deb822"
    for file in "$list" "$deb822"; do
        if [ -s "$file" ]; then printf '%s\n' "$file"; fi
    done
}

# mmdebstrap does not take them over by itself.
debian_proxy() {
    local key value
    for key in Acquire::http::Proxy Acquire::https::Proxy Acquire::http::Proxy-Auto-Detect; do
        value=$(apt-config dump --format '%v' "$key")
        if [ -n "$value" ]; then printf -- '--aptopt=%s "%s"\n' "$key" "$value"; fi
    done
}
