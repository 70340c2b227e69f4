// The process outside the jail: see broker.c.
#pragma once
#include "cli/options.h"

int broker_run(struct command_line *); // runs the program of the command line in a worker; the command's exit status
