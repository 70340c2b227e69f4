// The table of insn_encoding.h.
#include "cpu/insn_encoding.h"
#include "cpu/insn_encodings.inc"
