# json: nested documents written and read again.
import json, sys
doc = {"users": [{"id": i, "name": "user%d" % i, "tags": ["a", "b", str(i)], "score": i * 1.5, "ok": i % 3 == 0, "next": None} for i in range(400)]}
n = 0
for _ in range(int(sys.argv[1])):
    text = json.dumps(doc, indent=None, sort_keys=True)
    n += len(json.loads(text)["users"]) + len(text)
print(n)
