// watch.h.
#include "tests/ext/watch.h"
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

static volatile uint64_t running, running_seed;

void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak)); // of ASan's runtime

static void say_case(void)
{
    char text[100];
    int n = snprintf(text, sizeof text, "in case %llu of seed %llu\n", (unsigned long long)running,
                     (unsigned long long)running_seed);
    if (write(2, text, (size_t)n) < 0) return;
}

static void on_signal(int sig)
{
    say_case();
    signal(sig, SIG_DFL);
    raise(sig);
}

void watch_start(uint64_t seed)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGVTALRM};
    running_seed = seed;
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(say_case);
    for (unsigned k = 0; k < sizeof fatal / sizeof *fatal; k++)
        if (fatal[k] != SIGSEGV || !__sanitizer_set_death_callback) signal(fatal[k], on_signal);
}

void watch_case(uint64_t number, unsigned seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    running = number;
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
}
