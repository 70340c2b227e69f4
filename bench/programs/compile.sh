# Compiles, assembles and links a C file, and runs what comes out: sh compile.sh FILE.
set -e
cp "$1" /tmp/source.c
gcc -O2 -o /tmp/program /tmp/source.c
/tmp/program
