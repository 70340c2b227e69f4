// `#!` lines (fs/binfmt_script.c): "#! interpreter [one argument]".
#pragma once
#include "abi/linux.h"
#include <stdbool.h>
#include <stddef.h>

enum { SCRIPT_LINE = 256 }; // BINPRM_BUF_SIZE
struct script {
    char interp[SCRIPT_LINE];
    char arg[SCRIPT_LINE];
    bool has_arg;
};

// head: the first n (at most SCRIPT_LINE) bytes of a file. 1: a script, *out filled; 0: no script; -LX_ENOEXEC: a
// broken one.
int script_parse(struct script *out, const char *head, size_t n);
