# dash and bash as interactive shells on a terminal: job control, fg, bg, kill %, stopped jobs, traps, wait -n, set -m. Three sessions at once.
# package: bash dash
import os
import pty
import re
import select
import sys


# What comes until the prompt, or until nothing has come for a while: a program in the foreground waits.
def answer(fd):
    out = b""
    while select.select([fd], [], [], 3 if not out else 0.15 if out.endswith(b"@ ") else 0.4)[0]:
        try:
            out += os.read(fd, 4096)
        except OSError:
            break
    return re.sub(r"\b\d{2,7}\b", "PID", out.decode())

def session(argv, steps):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "dumb", "PS1": "@ ", "HISTFILE": "", "ENV": ""})
        os.execvp(argv[0], argv)
    print(f"start: {answer(fd)!r}")
    for step in steps:
        os.write(fd, step.encode())
        print(f"{step!r}: {answer(fd)!r}")
    os.close(fd)
    print(argv[0], "ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


jobs = ["sleep 9\n", "\x1a", "jobs\n", "bg\n", "jobs -l | wc -w\n", "fg %1\n", "\x03", "echo $?\n", "sleep 8 & sleep 7 &\n", "jobs\n", "kill %1; sleep 0.2\n", "\n", "fg\n", "\x1a", "kill -9 %2; sleep 0.2\n", "\n", "set +m; set -m; (exit 4) & wait $!; echo $?\n",
        "cat\n", "typed\n", "\x1a", "fg\n", "\x04", "trap 'echo trapped' INT\n", "\x03", "\n", "sleep 5\n", "\x03", "trap - INT; read x\n", "in\n", "echo $x; sleep 9 | cat\n", "\x1a", "fg %1\n", "\x1c", "stty -echo; echo quiet\n", "stty echo\n", "stty tostop; (sleep 0.1; echo bgout) & sleep 0.2\n", "jobs\n", "fg\n", "stty -tostop; (read y) & sleep 0.3\n", "jobs\n", "kill -9 %%; sleep 0.2\n", "sh -c 'kill -STOP $$; echo cont'\n", "fg\n", "(exit 3)\n", "kill %1\n", "sleep 6 &\n", "kill -STOP %%; sleep 0.1; jobs\n", "exit 3\n", "exit 3\n"]
sessions = [
    (["dash", "-i"], jobs),
    (["bash", "--norc", "--noprofile", "-i"], jobs[:-2] + ["disown -a\n", "sleep 0.2 & sleep 3 & wait -n; echo $?; kill %2; sleep 0.3\n", "wait -f %2; echo $?\n", "sleep 9 &\n", "kill -STOP %1; sleep 0.2\n", "exit\n", "exit 5\n"]),
    (["bash", "--norc", "-i"], ["sleep 9 &\n", "exec sh -c 'exit 6'\n"]),
]
runs = []
for argv, steps in sessions:
    r, w = os.pipe()
    if os.fork() == 0:
        os.dup2(w, 1)
        os.close(r)
        session(argv, steps)
        sys.stdout.flush()
        os._exit(0)
    os.close(w)
    runs.append(r)
for r in runs:
    print(open(r).read(), end="")
