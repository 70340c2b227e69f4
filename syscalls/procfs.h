// /proc: procfs.c is the file system (names, directories, links), procfs_pid.c and procfs_sys.c write the files' texts.
#pragma once
#include "syscalls/kernel.h"

int procfs_new(struct box *, struct fs **out); // to be mounted; 0 or -LX_ENOMEM
int sysfs_new(struct box *, struct fs **out);  // /sys (sysfs.c)
int procfs_pid(const struct file *);           // the process whose /proc/PID directory this is; 0: none

// ---------------------------------------------------------------- between the files of procfs
struct proc_text {
    struct vfs *vfs;
    char *at;
    size_t n, cap;
    bool failed;
}; // grows; `failed` when memory or the bound of 8 MiB ended it
void text_add(struct proc_text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct proc_text *, const void *, size_t);

struct proc_who {
    struct box *box;
    struct process *p;
    struct task *t;
}; // t: a thread of it, NULL when the leader is gone; p NULL in system-wide files
typedef void proc_show(struct proc_text *, const struct proc_who *);
typedef int proc_store(const struct proc_who *, const char *text, size_t n); // 0 or -errno; text is NUL-terminated

struct proc_entry {
    const char *name;
    uint32_t mode;                     // type and rights
    proc_show *show;                   // regular files
    proc_store *store;                 // NULL: not writable
    const struct proc_entry *children; // directories of fixed names
};
extern const struct proc_entry
    proc_pid_files[]; // what /proc/PID and /proc/PID/task/TID have in common; ended by name NULL
extern const struct proc_entry proc_root_files[];
extern const struct proc_entry proc_net_files[]; // procfs_net.c
void proc_fdinfo(struct proc_text *, struct file *);
bool proc_who_of(struct inode *, struct proc_who *);   // false: the process is gone
const struct file_ops *proc_special_fops(proc_show *); // of files that are not texts (procfs_mem.c), or NULL
proc_show proc_show_mem, proc_show_pagemap, proc_show_auxv, proc_show_smaps, proc_show_smaps_rollup,
    proc_show_numa_maps;
struct vma;
void proc_map_head(struct proc_text *, const struct process *, const struct vma *); // a line of maps
