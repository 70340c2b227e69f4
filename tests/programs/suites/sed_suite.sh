# The tests of sed and grep, run against the installed programs: the outcome of each script.
# image: suites
# package: sed grep
suite() {
    local package=$1 tests=$2 name
    cp -r "/usr/src/$package" "/tmp/$package" && cd "/tmp/$package/$tests" || return
    export srcdir=. abs_srcdir=$PWD abs_top_srcdir=/tmp/$package abs_top_builddir=/tmp/$package built_programs="$3" LOCALE_FR=none LOCALE_FR_UTF8=none LOCALE_JA=none AWK=awk CONFIG_HEADER=/dev/null PERL=perl SHELL=/bin/sh host_triplet=x86_64-linux-gnu
    for name in $4; do
        [ -f "$name" ] || continue
        case $name in *.pl) run=(perl -w -I. -Itestsuite -MCuSkip -MCoreutils "-MCuTmpdir qw($name)" "$name") ;; *) run=(sh "$name") ;; esac
        timeout 60 "${run[@]}" >/tmp/log 2>&1 </dev/null 9>&2
        echo "$package $name $?"
    done
}
suite sed . sed "$(cd /usr/src/sed && ls testsuite/*.sh testsuite/*.pl | grep -vE 'testsuite/(init|bsd-wrapper)|perf|long|debug')"
suite grep tests 'grep egrep fgrep' "$(cd /usr/src/grep/tests && grep -lE '^#! ?/' * | grep -vE '^(init|get-mb)|perf|2GiB|big-|4GB|slow')"
