// Rows whose results the manual gives a bound for, not bits: where the interpreter does not execute the host's own
// instruction (portable builds, other hosts), they are held to that bound.
//
//   FSIN FCOS FSINCOS FPTAN FPATAN F2XM1 FYL2X FYL2XP1   1 ulp of the CPU's result (SDM vol. 1, 8.3.10: "the worst case
//       error ... is less than 1 ulp" of each). C1 tells how the last bit was rounded, so it is free when the result is
//       inexact; UE and OE may differ only where the bound lies across the end of the normal numbers.
//   RCPPS RCPSS RSQRTPS RSQRTSS (and VEX)   both lie within 1.5 * 2^-12 of the exact value (SDM vol. 2), so within
//       3 * 2^-12 of each other; tests/unit/test_sse.c holds ours to the former. Reciprocals at the end of the normal
//       numbers may be zero or not.
#pragma once
#include "test_case.h"

// What the row is held to, for people; NULL: bits.
const char *bound_of(const struct row *);

// Sets what differs in guest, and may, to host's. True: something did.
bool bound_settle(const struct test_case *, const struct outcome *host, struct outcome *guest);
