# gawk's own tests, those that its Maketests describes by a rule: which print what they should.
# image: suites
# package: gawk
exec 2>/dev/null
cp -r /usr/src/gawk/test /tmp/test && cd /tmp/test || exit
printf 'srcdir = .\nAWK = LC_ALL=C LANG=C gawk\nCMP = cmp -s\nTESTOUTCMP = cmp -s\nAWKLIBPATH = /usr/lib/x86_64-linux-gnu/gawk\ninclude Maketests\n' >Makefile
grep -oE '^[a-z0-9]+:$' Maketests | tr -d : | sort >names
make -k $(cat names) </dev/null >/dev/null
while read -r name; do echo "$name: $([ -e "_$name" ] && echo differs || echo ok)"; done <names
