# Runs one module of CPython's tests with `python3 -m test`, and prints what became of each test, sorted.
# image: python3-test
# options: --memory 2G --timeout 30m
import os
import subprocess
import sys
import xml.etree.ElementTree as etree

module, xml = sys.argv[1], "/tmp/cpython.xml"
status = subprocess.run([sys.executable, "-m", "test", "-W", "--junit-xml", xml, module],
                        stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode
print("exit status", status)
lines = []
for case in etree.parse(xml).iter("testcase"):
    outcome = [e.tag for e in case if e.tag in ("failure", "error", "skipped")] or [case.get("result")]
    lines.append("%s: %s" % (case.get("name"), " ".join(outcome)))
print("\n".join(sorted(lines)))
print(len(lines), "tests")
