// Is the hot file of a packed image right (disk/packed.h)?
#pragma once
#include "disk/manifest.h"

// manifest: path or URL. 1: it is there, and right; 0: there is none; -1: it is wrong, or cannot be read, with a line.
int image_hot_verify(const char *manifest, char why[MANIFEST_WHY]);
