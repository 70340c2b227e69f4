// The belljar command: its subcommands, and running a program (broker.c).
#include "cli/broker.h"
#include <string.h>

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "image")) return image_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "cache")) return cache_command(argc - 1, argv + 1);
    if (argc == 2 && !strcmp(argv[1], "syscalls")) return syscalls_command();
    if (argc == 2 && !strcmp(argv[1], "insns")) return insns_command();
    struct command_line line;
    int status = options_parse(&line, argc, argv);
    if (!status && !line.done) status = broker_run(&line);
    options_free(&line);
    return status;
}
