// One line on a terminal (standard error) that is rewritten while a command works, and disappears.
#pragma once
#include <stdbool.h>

struct image_progress {
    bool shown, asked, terminal;
};
void image_progress(struct image_progress *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void image_progress_end(struct image_progress *);
