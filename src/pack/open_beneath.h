/* The part of cr_open_beneath() (sample_table.h) that kernels without openat2 need, for its own test. */
#ifndef CRISOL_OPEN_BENEATH_H
#define CRISOL_OPEN_BENEATH_H

/* Opens `path` component by component below the folder `root`. Returns a descriptor, or -1 with errno: EXDEV where the
 * path or a link leaves the root. */
int cr_walk_beneath(int root, const char *path);

#endif
