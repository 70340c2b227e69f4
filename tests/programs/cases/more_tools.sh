# More tools: fish, zsh, Neovim, screen, Emacs, Mercurial, Subversion, Fossil, Meson, Autotools, archivers, parallel, XML, text browsers, iproute2.
# image: extras
# package: fish zsh neovim screen emacs-nox mercurial subversion fossil meson autoconf p7zip-full lz4 brotli parallel libxml2-utils w3m lynx iproute2 net-tools
cd /tmp || exit
export HOME=/tmp USER=u TERM=xterm
echo '== shells'
fish -c 'for i in (seq 3); echo $i; end; string upper abc; math 2^10'
zsh -fc 'cd /usr/lib/python3; print -l **/*(N[1,3]); typeset -A h=(a 1 b 2); print ${(kv)h}; print ${(U)HOME}; zmodload zsh/datetime && print ok'
echo '== editors, screen'
seq 5 >f; nvim --headless -u NONE -c '%s/3/three/' -c 'lua print(vim.fn.line("$"))' -c wq f 2>&1; echo; cat f
emacs -batch --eval '(progn (require (quote calc)) (princ (calc-eval "2^100")) (terpri))' 2>&1
export SCREENDIR=/tmp/sd; mkdir -m 0700 sd; screen -dmS s sh -c 'echo in screen >/tmp/out; sleep 5'; for _ in $(seq 50); do [ -s out ] && break; sleep 0.1; done; cat out; screen -ls | grep -c Detached; screen -S s -X quit
echo '== versions'
hg init r && cd r && echo a >a && hg add a && hg commit -u me -d '0 0' -m x && hg log -T '{node}\n'; cd ..
svnadmin create s && svn co -q file:///tmp/s w && cd w && echo a >a && svn add -q a && svn commit -q -m x && svn info --show-item revision; cd ..
fossil init -A u x.fossil >/dev/null && mkdir fo && cd fo && fossil open ../x.fossil >/dev/null && echo a >a && fossil add a && fossil commit -m x --user-override u 2>&1 | cut -c1-12; cd ..
echo '== builders'
mkdir m && cd m && printf "project('x','c')\nexecutable('x','x.c')\n" >meson.build && echo 'int main(void) { return 4; }' >x.c && meson setup b >/dev/null && ninja -C b 2>&1 | tail -n 1; b/x; echo $?; cd ..
mkdir ac && cd ac && printf 'AC_INIT([x],[1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' >configure.ac && printf 'bin_PROGRAMS=x\nx_SOURCES=x.c\n' >Makefile.am && cp ../m/x.c . && autoreconf -i >/dev/null 2>&1 && ./configure >/dev/null && make -s 2>&1 | tail -n 1; ./x; echo $?; cd ..
echo '== archives'
seq 10000 >f; 7z a -bd -mmt1 a.7z f >/dev/null; 7z x -bd -oo a.7z >/dev/null; cmp f o/f && echo same; zip -q a.zip f; unzip -p a.zip f | md5sum; lz4 -q f f.lz4; lz4 -dc f.lz4 | md5sum; brotli f; brotli -dc f.br | md5sum
seq 5 | parallel -j2 -k 'echo {} $(({}*{}))' 2>/dev/null
echo '== texts'
echo '<a><b>1</b></a>' | xmllint --xpath '//b/text()' -; echo; echo '<a/>' | xmllint --format -
echo '<h1>T</h1><ul><li>a<li>b</ul>' >a.html; w3m -dump a.html; lynx -dump -nolist a.html
python3 -c 'from lxml import etree; r = etree.fromstring("<a><b c=\"1\"/></a>"); print(etree.tostring(r.xpath("//b")[0]))'
python3 -c '
from cryptography.hazmat.primitives.asymmetric import ed25519; from cryptography.fernet import Fernet
print(ed25519.Ed25519PrivateKey.from_private_bytes(b"a" * 32).sign(b"x").hex()[:20]); f = Fernet(Fernet.generate_key()); print(f.decrypt(f.encrypt(b"hi")))'
echo '== network'
ip addr; ip route; ip -6 route; ip -s link; ip neigh; ip -br -j addr; hostname -I; ifconfig lo | grep inet
