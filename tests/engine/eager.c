// The command, but it translates whatever runs, at once, and proves every block: for tests that run many instructions
// once each. Linked like belljar, with ld's --wrap.
#include "belljar.h"

void __real_belljar_options_init(struct belljar_options *);
void __wrap_belljar_options_init(struct belljar_options *);

void __wrap_belljar_options_init(struct belljar_options *o)
{
    __real_belljar_options_init(o);
    o->jit_eager = o->verify_code = true;
}
