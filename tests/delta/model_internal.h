// What the files of the model share.
#pragma once
#include "model.h"

_Noreturn void model_stop(const char *what, long err);
struct model_file *model_add(struct model *, uint64_t ino);
void model_add_name(struct model *, uint64_t dir, const char *name, size_t len, uint64_t ino);
struct model_page *model_page(struct model_file *, uint32_t index);
void model_set_xattr(struct model_file *, const char *name, const void *value, size_t n);
void model_sort(struct model *);
bool model_in_image(const struct model *, uint64_t dir, const char *name);
