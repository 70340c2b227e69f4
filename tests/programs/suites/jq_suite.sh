# jq's own tests: jq --run-tests with three of its files (optional.test computes for half a minute), and its scripts.
# image: suites
# package: jq
cp -r /usr/src/jq/tests /tmp/tests && cd /tmp/tests || exit
for f in jq base64 onig; do
    echo "== $f"
    jq -L /tmp/tests/modules --run-tests "$f.test" 2>&1
done
mkdir -p /tmp/b/tests && cd /tmp/b && cp -r /tmp/tests/. tests && ln -s /usr/bin/jq jq
for t in shtest utf8test; do
    timeout 100 sh "tests/$t" >/tmp/log 2>&1
    echo "$t $?"
done
