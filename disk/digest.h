// The digest that names a disk image, packed or not (manifest.h): SHA-256 of the SHA-256s of its chunks of 64 KiB, in
// order; the last is filled up with zeros, and one of zeros counts as the hash 0.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { IMAGE_DIGEST = 32 };

// Of a file, `bytes` long, which is read as a whole (holes cost nothing): about a second for a gigabyte. told: called
// now and then with how many bytes are behind; NULL: not. 0, or -errno with a line in `why`.
int image_digest(int fd, uint64_t bytes, uint8_t digest[IMAGE_DIGEST], void (*told)(void *ctx, uint64_t done),
                 void *ctx, char *why, size_t why_size);
