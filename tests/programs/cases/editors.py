# vim as an ex script and on a terminal, and tmux: detached sessions, keys sent to them, what their panes show.
# image: userland
# package: vim tmux
# differs: s/[0-9]+ seconds? ago/N ago/
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


def run(*argv, stdin=None):
    r = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60)
    print("$", " ".join(argv), r.returncode)
    print(r.stdout + r.stderr, end="")


def ex(script, *files):
    run("vim", "-Nu", "NONE", "-i", "NONE", "-es", *files, stdin=script)


os.chdir("/tmp")
with open("a.txt", "w") as f:
    f.write("".join(f"line {i} of text\n" for i in range(1, 31)))
ex(""":%s/line \\(\\d\\+\\)/L\\1/g
:g/[37]/d
:3,5m0
:$r !echo from shell; expr 6 \\* 7
:%!sort -r
:1,3>
:normal! Goappended\x1b
:normal! gg/L2\rdwyyp~
:let @q = 'A!\x1bj'
:normal! gg3@q
:w b.txt
:%print
:q!
""", "a.txt")
ex(""":set expandtab shiftwidth=2 textwidth=30 autoindent
:call setline(1, ['if (x) {', 'y;', '}', repeat('word ', 20)])
:set ft=c cindent
:normal! gg=G4Ggqq
:echo getline(1, '$')
:python3 print(1)
:redir => v | silent version | redir END
:put =v =~ 'Vi IMproved 9'
:put =strftime('%Y', 0) . printf('%05.2f', 3.14159) . string(sort([3, 1, 2])) . json_encode({'a': [1, v:null]})
:put =matchstr('foo123', '\\d\\+') . toupper('x') . system('echo sys') . has('terminal') . reltimefloat(reltime()) == 0
:function! F(n)
:return a:n < 2 ? a:n : F(a:n - 1) + F(a:n - 2)
:endfunction
:put =F(15)
:try | throw 'oops' | catch /oo/ | put ='caught ' . v:exception | endtry
:let c = job_start(['sh', '-c', 'echo from job'], {'out_cb': {ch, m -> append('$', m)}})
:sleep 500m
:%print
:wq! c.txt
""")
ex("", "/nofile/x")
run("vim", "-Nu", "NONE", "-es", "+%s/L/M/", "+wq", "b.txt")
run("head", "-3", "b.txt")
run("vim", "-Nu", "NONE", "-es", "-d", "a.txt", "b.txt", "+normal! ]cdo", "+w", "+qa!")
run("cksum", "a.txt", "b.txt")
run("vim", "-Nu", "NONE", "-es", "-c", "set key=pw cm=blowfish2", "-c", "w! enc", "-c", "q", "a.txt")
run("head", "-c", "9", "enc")
run("od", "-c", "-N", "20", "a.txt")


# All that comes until nothing has come for a while.
def drained(fd):
    out = b""
    while select.select([fd], [], [], 0.6 if out else 20)[0]:
        try:
            out += os.read(fd, 4096)
        except OSError:
            break
    return out


def screen(argv, keys):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        time.sleep(0.1)  # until the size is set
        os.execvp(argv[0], argv)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 20, 60, 0, 0))
    print(argv, drained(fd))
    for key in keys:
        os.write(fd, key.encode())
        print(repr(key), drained(fd))
    os.close(fd)
    print(argv[0], "ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


screen(["vim", "-Nu", "NONE", "-i", "NONE", "-n", "--cmd", "set t_RV= t_u7= t_RF= t_RB= ttimeoutlen=10", "a.txt"],
       [":syntax on | set number hlsearch\n", "/L2\n", "3dd", "u", "ciwWORD\x1b", ":vsplit b.txt\n", "\x17l", "VGd", ":undo\n", ":e! ++ff=unix\n", "\x07", ":sh\n", "echo in shell; exit\n", "\n", "qqx0jq3@q", "gg", ":help tabstop\n", ":wqa!\n"])


def tmux(*words):
    r = subprocess.run(["tmux", "-L", "box", "-f", "/dev/null", *words], capture_output=True, text=True, timeout=30)
    print("tmux", *words, r.returncode)
    print(r.stdout.rstrip("\n") + r.stderr)


# Until the pane shows TEXT: what is drawn when is not the question.
def shows(pane, text):
    for _ in range(100):
        r = subprocess.run(["tmux", "-L", "box", "capture-pane", "-p", "-t", pane], capture_output=True, text=True)
        if text in r.stdout:
            break
        time.sleep(0.1)
    print(f"--- {pane}:\n" + r.stdout.rstrip("\n"))


os.environ.update({"TERM": "xterm", "SHELL": "/bin/sh", "PS1": "@ ", "ENV": "", "HISTFILE": ""})
tmux("new-session", "-d", "-s", "work", "-x", "60", "-y", "15", "sh")
tmux("list-sessions", "-F", "#{session_name} #{session_windows} #{window_width}x#{window_height}")
tmux("send-keys", "-t", "work", "echo hello $((6 * 7)); stty size; tty | cut -c1-9", "Enter")
shows("work", "/dev/pts/")
tmux("split-window", "-t", "work", "-h", "cat")
tmux("send-keys", "-t", "work.1", "typed into cat", "Enter")
shows("work.1", "cat\ntyped")
tmux("resize-pane", "-t", "work.1", "-x", "20")
tmux("list-panes", "-t", "work", "-F", "#{pane_index} #{pane_width}x#{pane_height} #{pane_current_command} #{pane_active}")
tmux("new-window", "-t", "work", "-n", "py", "python3 -q")
tmux("send-keys", "-t", "work:py", "print(2 ** 70)", "Enter")
shows("work:py", "1180591620717411303424")
tmux("send-keys", "-t", "work:py", "C-d")
time.sleep(0.7)
tmux("list-windows", "-t", "work", "-F", "#{window_index} #{window_name} #{window_panes}")
tmux("set-buffer", "pasted text")
tmux("paste-buffer", "-t", "work.1")
tmux("save-buffer", "-")
tmux("new-window", "-t", "work", "-n", "vim", "vim -Nu NONE -n a.txt")
shows("work:vim", "line 1 ")
tmux("send-keys", "-t", "work:vim", ":q!", "Enter")
tmux("pipe-pane", "-t", "work.0", "cat >/tmp/piped")
tmux("send-keys", "-t", "work.0", "echo 'to ''pipe'", "Enter")
shows("work.0", "\nto pipe")
tmux("run-shell", "echo from run-shell; exit 3")
tmux("wait-for", "-S", "chan")
tmux("wait-for", "chan")
tmux("display-message", "-p", "-t", "work", "#{session_name}:#{window_index} #{?client_attached,yes,no} #{e|+:1,2}")
tmux("has-session", "-t", "other")
tmux("show-options", "-g", "-t", "work", "base-index")
tmux("bind-key", "-n", "F5", "display-message", "x")
tmux("kill-pane", "-t", "work.1")
tmux("kill-session", "-t", "work")
tmux("list-sessions")
