// A memo of copying, in the memo of decoding (cpu/shape.h): instructions of one shape that are copied as they are,
// with other registers, displacement and immediate, differ in the host's code by those alone. So what emit_insn made of
// one is kept without them, and they are filled in for the next. What touches the guest's r11 or rsp as a register, or
// is not written in the one way emit_insn writes it, goes the long way; the code is the same, byte by byte.
#pragma once
#include "jit/trace.h"

// False: nothing has been emitted.
bool quick_emit(struct trace *);
