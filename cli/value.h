// Values of options: numbers with units, pairs. And text that others have said.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool value_size(const char *text, uint64_t *bytes); // 64, 64k, 256M, 1G (powers of 1024)
bool value_time(const char *text, uint64_t *ns);    // 5, 5s, 500ms, 2m, 1.5s; more than zero
bool value_count(const char *text, uint64_t max, uint64_t *n);
bool value_pair(char *text, char **left, char **right); // at the last ':' (cuts text); both sides not empty
bool value_mount(char *text, char **host, char **guest,
                 bool *writable); // HOST:/GUEST[:rw|:ro], at the last ":/" (cuts text)
// A copy of at most size - 1 bytes (also onto itself), a ? for each control character.
void printable(char *to, const char *from, size_t size);
