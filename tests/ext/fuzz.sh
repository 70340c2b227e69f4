#!/bin/bash
# fuzz.sh FUZZER OPTION...: the fuzzer on images made for it.
set -eu
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
bash "$(dirname "$0")/small-images.sh" "$images"
fuzzer=$1
shift
"$fuzzer" --images "$images" "$@"
