# git's own tests, a choice of those that take seconds: every single outcome.
# image: suites
# package: git
export GIT_TEST_INSTALLED=/usr/bin TEST_OUTPUT_DIRECTORY=/tmp/out GIT_TEST_CHAIN_LINT=0 TEST_NO_MALLOC_CHECK=1
mkdir /tmp/out && cd /usr/src/git/t || exit
for name in ${*-t0001-init t1300-config t3200-branch t3903-stash t4013-diff-various t6030-bisect-porcelain}; do
    echo "== $name"
    timeout 300 sh "./$name.sh" --root=/tmp/trash 2>/dev/null </dev/null | grep -E '^(ok|not ok|1\.\.|# )' | sed 's/ [0-9.]*s$//'
done
