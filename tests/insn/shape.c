// See shape.h.
#include "shape.h"
#include <string.h>

void random_bytes(struct rng *r, uint8_t bytes[SHAPE_BYTES]) {
  static const uint8_t prefix[] = {0x66, 0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf2, 0xf3, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
  static const uint8_t map[] = {1, 1, 1, 2, 2, 2, 2, 3, 4};
  unsigned n = 0;
  for (unsigned i = 0; i < SHAPE_BYTES; i += 8) memcpy(bytes + i, &(uint64_t){rng_next(r)}, 8);
  if (rng_percent(r, 50)) return;
  for (unsigned count = rng_below(r, 3); count; count--) bytes[n++] = prefix[rng_below(r, sizeof prefix)];
  if (rng_percent(r, 40)) bytes[n++] = (uint8_t)(0x40 | rng_below(r, 16));
  unsigned m = map[rng_below(r, sizeof map)];
  if (m > 1) bytes[n++] = 0x0f;
  if (m > 2) bytes[n++] = m == 3 ? 0x38 : 0x3a;
  if (rng_percent(r, 30)) bytes[n + 1] |= 0xc0;            // a register in ModRM
}

static bool legacy_prefix(struct shape *s, uint8_t byte) {
  switch (byte) {
  case 0x66: s->opsize = true; return true;
  case 0x67: s->addrsize = true; return true;
  case 0xf0: s->lock = true; return true;
  case 0xf2: case 0xf3: s->rep = byte; return true;
  case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: return true;
  default: return false;
  }
}

struct shape shape_of(const uint8_t bytes[SHAPE_BYTES]) {
  struct shape s = {.rex = -1, .map = 1};
  int n = 0;
  for (; n < SHAPE_BYTES - 4; n++) {
    if ((bytes[n] & 0xf0) == 0x40) s.rex = bytes[n];
    else if (legacy_prefix(&s, bytes[n])) s.rex = -1;
    else break;
  }
  s.prefixes = n;
  if (bytes[n] == 0x0f) {
    s.map = 2, n++;
    if (bytes[n] == 0x38 || bytes[n] == 0x3a) s.map = bytes[n++] == 0x38 ? 3 : 4;
  }
  s.opcode = bytes[n];
  s.modrm = bytes[n + 1];
  s.other_encoding = s.map == 1 && (s.opcode == 0xc4 || s.opcode == 0xc5 || s.opcode == 0x62 || (s.opcode == 0x8f && shape_reg(&s) != 0));
  return s;
}
