// A box's memory, as a file: made before the jail is closed, which lets nobody make one.
#pragma once

// belljar_memory_file, also where the size of files is limited: whoever does that does not mean this one, 16 GiB of
// holes. A descriptor, or -errno; -EFBIG: the hard limit does not allow it.
int memory_new(void);
