#!/bin/bash
# ./run sets up again when something that belljar is made from has changed, wherever it lies, and not otherwise.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# A tree like ours: the same folders, a belljar that only says what it was called with, a set-up that only says so.
tree="a [a]* tree"
for folder in "$BELLJAR_SOURCE"/*/; do
    folder=${folder%/}
    [[ $folder == */build* ]] || { mkdir -p "$tree/${folder##*/}/sub" && : >"$tree/${folder##*/}/sub/file"; }
done
cp "$BELLJAR_SOURCE/run" "$tree"
mkdir -p "$tree"/{build/images,build/sub,new/sub}
touch "$tree"/{CMakeLists.txt,CMakePresets.json,build/images/python3.ext2,new/sub/file,build/sub/file}
cat >"$tree/build/belljar" <<'END'
#!/bin/bash
echo "ran ${*:3}"
END
cat >"$tree/tools/setup.sh" <<'END'
setup_locked() {
    echo set-up
    touch "$here/build/.set-up"
}
END
chmod +x "$tree/build/belljar"
find "$tree" -exec touch -d '2 days ago' {} +

out=$("$tree/run" true)
is "the first run" "$out" $'set-up\nran -- true'
is "the next run" "$("$tree/run" true)" "ran -- true"
is "the next run, from within" "$(cd "$tree" && ./run true && bash run true)" $'ran -- true\nran -- true'
changed() { # FILE EXPECTED
    touch -d '1 day ago' "$tree/build/.set-up"
    touch "$tree/$1"
    is "$1 has changed" "$("$tree/run" true)" "$2"
    touch -d '2 days ago' "$tree/$1"
}
for folder in "$tree"/*/; do
    folder=${folder%/}
    case ${folder##*/} in
    build | bench | docs | examples | tests) changed "${folder##*/}/sub/file" "ran -- true" ;;
    *) changed "${folder##*/}/sub/file" $'set-up\nran -- true' ;;
    esac
done
changed CMakeLists.txt $'set-up\nran -- true'
changed CMakePresets.json $'set-up\nran -- true'
changed notes "ran -- true"
exit $failed
