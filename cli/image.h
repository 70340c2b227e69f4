// The subcommands of `belljar image`: a row in image.c's table, a function, and its options (image_options.c).
#pragma once
#include "cli/options.h"
#include "disk/http.h"

struct image_option {
    const char *name;     // without the dashes
    char letter;          // 0: none
    const char *argument; // what it takes, for the help; NULL: nothing
    const char *help;
};
#define IMAGE_OPTIONS_OF(ROWS) .options = ROWS, .noptions = sizeof ROWS / sizeof *ROWS // of struct image_use
enum { IMAGE_OPTIONS = 12 };                                                           // of a subcommand at most

struct image_use {
    const char *name, *arguments, *what; // "info", "FILE...", one line
    const char *about;                   // more lines for its help, each with its newline; "": none
    const struct image_option *options;
    unsigned noptions;
    unsigned min, max; // arguments besides options; max 0: any number
    bool rest;         // ends with "--" and the words behind it, which are a command
    // argv: the arguments besides options, argc of them, then what is behind "--", then NULL. value: each option's, in
    // their order: NULL, not given; of one without argument: "". The exit status.
    int (*run)(int argc, char **argv, const char *const *value);
};

// Parses what follows the subcommand's name, answers --help, and runs it. The exit status.
int image_run(const struct image_use *, int argc, char **argv);

extern const struct image_use image_info_use, image_pack_use, image_verify_use, image_unpack_use, image_profile_use;
extern const struct image_use image_commit_use, image_diff_use, image_export_use;

// What is in a plain image on a server, and the URL as it may be printed. The exit status; not 0: it has said why.
int image_served_info(const char *url, struct belljar_image_info *, char shown[HTTP_SHOWN]);
int image_packed_info(const char *manifest); // path or URL of a packed image: the exit status of image info for it
