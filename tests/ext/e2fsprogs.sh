#!/bin/bash
# e2fsprogs.sh DIR: Debian's libext2fs, of the version that this host has, built with AddressSanitizer and
# UndefinedBehaviorSanitizer from its source package, as DIR/lib/libext2fs.a. What to do with it: README.md.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: e2fsprogs.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tools/debian.sh
. "$here/tools/debian.sh"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work"/{sources,lists/partial,cache/archives/partial}
# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
debian_sources "$suite" "$work" >/dev/null
for list in list sources; do
    sed -E 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$work/host.$list" >"$work/sources/host.$list"
done
cat >"$work/apt.conf" <<SETTINGS
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/sources";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
SETTINGS
export APT_CONFIG="$work/apt.conf"
version=$(dpkg-query -W -f '${source:Version}' libext2fs-dev)
apt-get -qq update
(cd "$work" && apt-get -qq source "e2fsprogs=$version" >source.log 2>&1) || { cat "$work/source.log" >&2; exit 1; }
rm -rf "$dir/e2fsprogs"
mv "$work"/e2fsprogs-*/ "$dir/e2fsprogs"
cd "$dir/e2fsprogs"
# Only the libraries, and no prints to the terminal: what counts is what a sanitizer says.
./configure -q --disable-nls --disable-fuse2fs --enable-libuuid --enable-libblkid \
    CC="${CC:-cc}" BUILD_CFLAGS=-O1 BUILD_LDFLAGS= CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" LDFLAGS=-fsanitize=address,undefined >/dev/null
make -s libs >"$dir/make.log" 2>&1 || { tail -20 "$dir/make.log" >&2; exit 1; }
echo "e2fsprogs $version: $dir/e2fsprogs/lib/libext2fs.a"
