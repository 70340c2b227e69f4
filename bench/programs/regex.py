# re: matching, finding and replacing over generated text.
import re, sys
text = " ".join("item%d: value=%d.%02d; mail=user%d@host%d.example.org, 2024-%02d-%02d" % (i, i * 7 % 1000, i % 100, i, i % 17, i % 12 + 1, i % 28 + 1) for i in range(500))
patterns = [re.compile(p) for p in (r"(\w+)@(\w+)\.example\.(?:org|com)", r"value=(\d+)\.(\d\d)", r"(\d{4})-(\d\d)-(\d\d)", r"item\d*[13579]:", r"(?i)HOST(\d+)")]
n = 0
for _ in range(int(sys.argv[1])):
    for p in patterns:
        n += sum(len(m.group(0)) for m in p.finditer(text))
    n += len(re.sub(r"(\d+)-(\d+)-(\d+)", r"\3.\2.\1", text))
print(n)
