// A path of the guest, put together name by name, and shown so that a line is a line.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct image_path {
    char *text; // "" or "/a/b"
    size_t len, room;
};
bool image_path_add(struct image_path *, const char *name, size_t len); // false: no memory
void image_path_cut(struct image_path *, size_t len);                   // back to what it was
void image_path_free(struct image_path *);

// Control characters, backslashes and bytes that are no UTF-8 as \ooo.
void image_path_print(FILE *, const char *path);
