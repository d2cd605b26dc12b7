/* SPDX-License-Identifier: Apache-2.0 */
/* What the files' writer (files.c) and what knows of their content (tree.c) have of each other. */
#ifndef FILES_H
#define FILES_H

#include "disk.h"

#define FILES       24
#define FOLDERS     4
#define RECORDS_MAX 8 /* of a file; its block i holds a record for block RECORDS_MAX * FILE + i */

/* A file as it was left: the numbers of its records. The number of a record is that of the step that wrote it. */
struct file {
    bool exists;
    u32 count, records[RECORDS_MAX];
};

enum step { REPLACE, APPEND, REWRITE, APPEND_AGAIN, REMOVE, STEPS };

/* tree.c: what step N does, and to which file; landfall.tree knows the same. */
u32 tree_file(u32 number);
enum step tree_step(u32 number);
u32 tree_records(u32 number); /* how many a new file gets */
void tree_path(char *path, size_t size, u32 file);
bool tree_is_as_left(u32 file, const struct file *left); /* read from the disk; what is wrong is said */
extern u32 tree_complaints;

#endif
