# Set-up shared by ./run and ./check, which source this file (bash): packages, build, disk images.
#
#   setup_packages GROUP...       installs what tools/packages lists for these groups and is missing
#   setup_build PRESET [TARGET..] configures when needed, and builds the targets, or everything
#   setup_image NAME              builds build/images/NAME.ext2 when it is missing or older than its recipe
#   setup_aarch64_root            unpacks the arm64 libraries that the preset aarch64 is linked with
#   setup_locked COMMAND...       runs COMMAND while no other set-up of this tree runs
#
# All of it talks on stderr and reads nothing from stdin: both belong to the program that ./run starts. What fails ends
# the script with status 125, as belljar's own failures do.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
images=$top/build/images
# shellcheck source=tools/debian.sh
. "$top/tools/debian.sh"

setup_say() { printf 'belljar set-up: %s\n' "$*" >&2; }
setup_fail() {
    setup_say "$*"
    exit 125
}

# The packages of these groups, one a line.
setup_listed() {
    local groups=" $* " group package
    while read -r group package _; do
        [[ $groups == *" $group "* ]] && printf '%s\n' "$package"
    done <"$top/tools/packages"
    return 0
}

setup_missing() {
    local package
    for package in $(setup_listed "$@"); do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done
}

# Runs apt-get as root, or through sudo: without a terminal only where sudo asks nothing.
setup_apt() {
    if [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
    elif ! command -v sudo >/dev/null; then
        return 1
    elif [ -t 2 ]; then
        sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi </dev/null >&2
}

setup_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        setup_say "not a Debian system; it needs what Debian calls:" "$(setup_listed "$@" | paste -sd ' ')"
        return 0
    fi
    mapfile -t missing < <(setup_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    setup_say "these Debian packages are missing: ${missing[*]}"
    if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; then
        # A failed update (one source of many down) is no reason to stop: the install decides.
        setup_apt -qq update || true
        setup_apt -y --no-install-recommends install "${missing[@]}" && return 0
    fi
    setup_say "cannot install them from here. As root:"
    setup_fail "    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
}

setup_directory() {
    case $1 in
    release) printf '%s\n' "$top/build" ;;
    *) printf '%s\n' "$top/build/$1" ;;
    esac
}

# Also after a change of the presets, and when the tests' library has come since.
setup_configured() {
    [ -e "$1/build.ninja" ] && [ ! "$top/CMakePresets.json" -nt "$1/build.ninja" ] &&
        { grep -qx 'CMOCKA_FOUND:INTERNAL=1' "$1/CMakeCache.txt" || ! pkg-config --exists cmocka; }
}

setup_build() {
    local preset=$1 dir log
    dir=$(setup_directory "$preset") log=$top/build/configure-$preset.log
    shift
    if ! setup_configured "$dir"; then
        setup_say "configuring ($preset)"
        if ! (cd "$top" && cmake --preset "$preset") </dev/null >"$log" 2>&1; then
            cat "$log" >&2
            setup_fail "cmake cannot configure the build"
        fi
    fi
    setup_say "building ($preset)"
    cmake --build "$dir" --target "${@:-all}" </dev/null >&2 || setup_fail "the build ($preset) failed"
}

# A recipe, and those that it includes.
setup_recipes() {
    local included
    printf '%s\n' "$top/images/$1.recipe"
    while read -r included; do setup_recipes "$included"; done < <(sed -n 's/^include \(.*\)\.recipe$/\1/p' "$top/images/$1.recipe")
}

# NAME IMAGE: IMAGE is there and newer than all that it is made from.
setup_image_current() {
    local from
    mapfile -t from < <(setup_recipes "$1")
    from+=("$top"/images/build "$top"/images/*.py "$top"/images/*.c)
    [ -e "$2" ] && [ -z "$(find "${from[@]}" -newer "$2" -print -quit)" ]
}

setup_image() {
    local image=$images/$1.ext2
    [ -e "$top/images/$1.recipe" ] || setup_fail "there is no images/$1.recipe"
    if setup_image_current "$1" "$image"; then return 0; fi
    setup_say "building the disk image $1 (once; it downloads its packages)"
    if BELLJAR_TOOLS=$top/build/tools "$top/images/build" "$top/images/$1.recipe" "$image" </dev/null >&2; then
        return 0
    fi
    [ -e "$image" ] || setup_fail "the disk image $1 could not be built"
    setup_say "the disk image $1 could not be rebuilt; the older one stays in use"
    touch "$image"
}

# The libraries of the other groups.
setup_aarch64_packages() { setup_listed run check | grep -e '-dev$'; }

# Not by a second architecture in dpkg: that takes root, and libext2fs-dev cannot be there for two. Links that are
# absolute would lead into the host's /lib.
setup_aarch64_unpack() {
    local root=$1 work=$2 suite include sources options link
    suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-bookworm}")
    include=$(setup_aarch64_packages | paste -sd ,)
    mapfile -t sources < <(debian_sources "$suite" "$work")
    mapfile -t options < <(debian_proxy)
    # shellcheck disable=SC2016  # $1 is for the hook's shell
    mmdebstrap --mode=chrootless --variant=extract --architectures=arm64 --include="$include" "${options[@]}" \
        --setup-hook='for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d" && ln -s "usr/$d" "$1/$d"; done' \
        "$suite" "$root" "${sources[@]}" </dev/null >&2 || return
    find "$root/usr/lib" -type l -lname '/*' | while read -r link; do ln -sfr "$root$(readlink "$link")" "$link"; done
    setup_aarch64_packages >"$root/packages"
}

setup_aarch64_root() {
    local root=$top/build/aarch64-root work
    if [ -e "$root/packages" ] && setup_aarch64_packages | cmp -s - "$root/packages"; then return 0; fi
    setup_say "unpacking the arm64 libraries (once; it downloads about 25 MB)"
    rm -rf "$root"
    work=$(mktemp -d)
    setup_aarch64_unpack "$root" "$work" || {
        rm -rf "$work"
        setup_fail "the arm64 libraries could not be unpacked"
    }
    rm -rf "$work"
}

setup_locked() {
    mkdir -p "$images"
    # A subshell, so that no descriptor of the lock reaches the program.
    (
        if ! flock -n 9; then
            setup_say "waiting for another set-up of this tree"
            flock 9
        fi
        "$@"
    ) 9>"$top/build/.lock"
}
