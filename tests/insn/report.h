// Readable reports of cases that went wrong.
#pragma once
#include "compare.h"
#include <stdio.h>

// Bytes, disassembly, row, the state before as far as it matters, and what was expected and what came.
void report_case(FILE *, const struct test_case *, const struct data_image *before);
void report_difference(FILE *, const struct test_case *, const struct data_image *before, const struct outcome *host,
                       const struct outcome *guest, const struct memories *, unsigned diff);
