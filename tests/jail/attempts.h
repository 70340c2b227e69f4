// The attempts of attempts.def, for the two programs that make them: escape.c (right after the jail closed) and
// escaped.c (in the command's own worker).
#pragma once
#include <stdbool.h>

// The attempt's name, NULL behind the last one.
const char *attempt_name(unsigned index);
// Makes it; stream, memfd: descriptors; parent: a process outside. What the call returned, if it did.
long attempt_make(unsigned index, int stream, int memfd, int parent);
bool attempt_find(const char *name, unsigned *index);
