#!/bin/bash
# The process that talks to servers reads what they send with the user's rights: where the kernel has landlock(7) it can
# change nothing by name, and run nothing. It loads libcurl, so a library of that name tries what may be done there.
set -u
# shellcheck source=tests/functions.sh
. "$BELLJAR_SOURCE/tests/functions.sh"
# shellcheck source=tests/net/server.bash
. "$BELLJAR_SOURCE/tests/net/server.bash"
version=$(python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))')
((version >= 1)) || { echo 'no landlock(7) here'; exit 77; }
cd "$work" || exit 1
mkdir d
echo kept >victim
cat >curl.c <<'END'
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static void say(const char *what, int result) { dprintf(2, "%s %s\n", what, result < 0 ? strerrorname_np(errno) : "done"); }
static int run(const char *program)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl(program, program, (char *)NULL);
        _exit(errno == EACCES ? 77 : 1);
    }
    waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status) == 77 ? EACCES : ECHILD;
    return status ? -1 : 0;
}
__attribute__((constructor)) static void try(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    say("read", open("victim", O_RDONLY));
    say("list", open(".", O_RDONLY | O_DIRECTORY));
    say("write", open("victim", O_WRONLY));
    say("append", open("victim", O_RDWR | O_APPEND));
    say("make", open("new", O_WRONLY | O_CREAT, 0600));
    say("no-name", open(".", O_WRONLY | O_TMPFILE, 0600));
    say("unlink", unlink("victim"));
    say("rename", rename("victim", "other"));
    say("link", link("victim", "d/other"));
    say("symlink", symlink("victim", "other"));
    say("mkdir", mkdir("other", 0700));
    say("rmdir", rmdir("d"));
    say("fifo", mkfifo("other", 0600));
    say("run", run("/bin/true"));
    int s = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons((unsigned short)atoi(getenv("PORT")));
    say("connect", connect(s, (void *)&a, sizeof a));
    if (atoi(getenv("VERSION")) >= 3) say("truncate", truncate("victim", 1));
    a.sin_port = 0;
    if (atoi(getenv("VERSION")) >= 4) say("listen", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
    if (atoi(getenv("VERSION")) >= 6) say("signal", kill(getppid(), SIGTERM));
}
END
"${CC:-cc}" -D_GNU_SOURCE -shared -fPIC -o libcurl.so.4 curl.c || bad 'the library'
serve --delay 0
out=$(LD_LIBRARY_PATH=$work VERSION=$version PORT=${url##*:} XDG_CACHE_HOME=$work/cache timeout 60 "$BELLJAR" --image "$url/none" true 2>&1)
has 'the library was asked' "$out" 'belljar: '
is 'what may be done' "$(grep ' done$' <<<"$out" | tr '\n' ' ')" 'read done list done connect done '
is 'what may not' "$(grep -vc ' done$\|^belljar: ' <<<"$out")" "$((12 + (version >= 3) + (version >= 4) + (version >= 6)))"
is 'why not' "$(grep -v ' done$\|^belljar: \| EACCES$\|^signal EPERM$' <<<"$out")" ''
is 'the file' "$(cat victim)" kept
is 'the directory' "$(find . -maxdepth 2 -name 'other' -o -maxdepth 2 -name 'new')" ''

# What it has to read: names of hosts, certificates.
command -v openssl >/dev/null || { echo 'no openssl: TLS is left out'; exit $failed; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost' -keyout key -out cert 2>/dev/null || bad 'openssl'
cat cert key >both
truncate -s 1M files/zeros
serve --tls both
out=$(SSL_CERT_FILE=$work/cert XDG_CACHE_HOME=$work/cache "$BELLJAR" --image "https://localhost:${url##*:}/zeros" true 2>&1)
has 'TLS, by name' "$out" '/zeros: not an ext2, ext3 or ext4 image'
exit $failed
