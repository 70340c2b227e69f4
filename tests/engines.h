// A unit test for each way of running guest code: both memory back ends, and translated where the build translates.
// Who includes it has `halt`, and finds the engine in *state.
#pragma once
#include "cpu/mem.h"
#include <stdbool.h>

struct engine {
    enum mem_backend back_end;
    bool jit;
};

static struct engine engine_direct = {MEM_DIRECT, false}, engine_checked = {MEM_CHECKED, false};
#if defined(__x86_64__) && !defined(BELLJAR_PORTABLE)
static struct engine engine_jit = {MEM_DIRECT, true};
#define TRANSLATED(f) {#f " (translated)", f, NULL, halt, &engine_jit},
#else
#define TRANSLATED(f)
#endif
#define EACH(f)                                                                                                        \
    {#f " (direct)", f, NULL, halt, &engine_direct}, TRANSLATED(f)                                                     \
    {                                                                                                                  \
#f " (checked)", f, NULL, halt, &engine_checked                                                                \
    }
