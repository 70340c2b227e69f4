// A translator for tests: it translates whatever runs, at once, pays for instructions, and has every block proven by
// the verifier.
#pragma once
#include "host/fault.h"
#include "jit/check.h"
#include <stdio.h>
#include <string.h>

struct eager_jit {
    struct host_exec exec;
    struct jit *jit;
    struct jit_check check;
    struct host_signal_stack *signal_stack;
};

static inline void eager_jit_close(struct eager_jit *e) // when its spaces are gone
{
    jit_free(e->jit);
    host_exec_free(&e->exec);
    if (e->check.verifier) jit_check_close(&e->check);
    host_signal_stack_free(e->signal_stack);
}

// False: this host cannot, `why` says what lacks. Stays where it is until it is closed.
static inline bool eager_jit_open(struct eager_jit *e, enum cpu_level level, char *why, size_t n)
{
    const char *lacks = "executable memory";
    struct jit_options options = {
        .level = level, .fuel = true, .eager = true, .verify = jit_check_block, .verify_ctx = &e->check};
    memset(e, 0, sizeof *e);
    if (!jit_check_open(&e->check, why, n)) return false;
    if (!host_exec_new(&e->exec, JIT_BYTES, 0)) e->jit = jit_new(&e->exec, &options, &lacks);
    if (e->jit) {
        e->signal_stack = host_signal_stack_new();
        return true;
    }
    snprintf(why, n, "%s", lacks);
    eager_jit_close(e);
    return false;
}
