# Full-screen programs on a pseudoterminal: less, vim, top's and bash's line editing, Python's REPL; what they draw, key by key.
# package: less vim-tiny procps bash python3.11-minimal
# image: python3-test
# differs: s/[0-9]+ seconds? ago/N ago/
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


def screen(name, argv, keys, env=None):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "PS1": "$ ", "HISTFILE": "", "LESSHISTFILE": "-", "COLUMNS": "", "LINES": ""} | (env or {}))
        del os.environ["COLUMNS"], os.environ["LINES"]
        time.sleep(0.1)  # until the size is set
        os.execvp(argv[0], argv)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    print(f"--- {name}: start", drained(fd))
    for key in keys:
        if key == "RESIZE":
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 10, 40, 0, 0))
        else:
            os.write(fd, key.encode())
        print(f"--- {name}: {key!r}", drained(fd))
    try:
        os.write(fd, b"\x04")
    except OSError:
        pass
    print(name, "ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os.close(fd)


# All that comes until nothing has come for a while; every key makes something come.
def drained(fd, patience=30, quiet=0.7):
    out = b""
    while select.select([fd], [], [], quiet if out else patience)[0]:
        try:
            out += os.read(fd, 4096)
        except OSError:
            break
    return out


with open("/tmp/lines", "w") as f:
    for i in range(200):
        f.write(f"line {i} " + "x" * (i % 90) + "\n")
screen("less", ["less", "/tmp/lines"], [" ", "b", "G", "g", "/line 77\n", "n", "-S\n", "RESIZE", "h", "q", "q"])
screen("vim", ["vim.tiny", "-u", "NONE", "-N", "-n", "/tmp/lines"], ["3G", "dd", "ihello \x1b", "u", ":%s/x/y/g\n", ":wq\n"])
print(open("/tmp/lines").read()[:200])
screen("bash", ["bash", "--norc", "--noprofile"], ["echo one\n", "ech\t two\n", "\x1b[A", "\x01#\n", "cat\n", "typed\n", "\x04", "sleep 9\n", "\x1a", "jobs\n", "fg\n", "\x03", "stty -a\n", "exit 3\n"])
screen("python", ["python3", "-q"], ["6*7\n", "import sys; sys.stdin.isatty()\n", "\x1b[A\n", "input('? ')\n", "answer\n", "import time; time.sleep(9)\n", "\x03", "exit(4)\n"])
sys.stdout.flush()
