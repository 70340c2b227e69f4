# Runs one module of CPython's tests with `python3 -m test`, and prints what became of each test, sorted.
# image: python3-test
# options: --memory 2G --timeout 30m
# native: -w
import os
import resource
import subprocess
import sys
import time
import xml.etree.ElementTree as etree

# What these ask for before they run: a network, and use the loopback only; a terminal, and are content with its description.
RESOURCES = {"test_socketserver": "network", "test_curses": "curses"}

module, xml = sys.argv[1], "/tmp/cpython.xml"
start = time.monotonic()
resources = ["-u", RESOURCES[module]] if module in RESOURCES else []
if module == "test_curses":
    os.environ["TERM"] = "xterm"
status = subprocess.run([sys.executable, "-m", "test", "-W", *resources, "--junit-xml", xml, module],
                        stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
print("exit status", status)
lines = []
for case in etree.parse(xml).iter("testcase"):
    outcome = [e.tag for e in case if e.tag in ("failure", "error", "skipped")] or [case.get("result") or "no result"]
    lines.append("%s: %s" % (case.get("name"), " ".join(outcome)))
print("\n".join(sorted(lines)))
print(len(lines), "tests")
used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
print("seconds: %.2f, of computing: %.2f" % (time.monotonic() - start, sum(u.ru_utime + u.ru_stime for u in used)), file=sys.stderr)
