// What AMD's processors do otherwise than Intel's, whom the interpreter follows: what a judge of AMD's need not confirm.
// Everything else is the same, and is compared.
#pragma once
#include "test_case.h"

bool amd_is_host(void);
// The kinds of differences (compare.h) that are AMD's own in this case.
unsigned amd_own(const struct test_case *, const struct outcome *host, const struct outcome *guest);
