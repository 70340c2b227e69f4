// See image_progress.h.
#include "cli/image_progress.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char clear[] = "\r\x1b[K"; // ECMA-48, EL: to the end of the line

void image_progress(struct image_progress *p, const char *format, ...)
{
    va_list values;
    if (!p->asked) p->terminal = isatty(2) == 1;
    p->asked = true;
    if (!p->terminal) return;
    fputs(clear, stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fflush(stderr);
    p->shown = true;
}

void image_progress_end(struct image_progress *p)
{
    if (p->shown) fputs(clear, stderr);
    p->shown = false;
}
