/* file_system.h - whether a file system is local: its maps and locks are the same for all.
 *
 * Network and cluster file systems are known by the number of statfs(2). FUSE has
 * one number for all of its file systems; which one it is, is told by the type in
 * /proc/self/mountinfo: "fuse.sshfs". Of those only fuse-overlayfs, which
 * containers use for local disks, is taken for local.
 */
#ifndef OS_FILE_SYSTEM_H
#define OS_FILE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* STORE if an open file is on a file system that several machines may share, or on one
 * of FUSE that is not known to be local. */
int file_system_check_local(int fd, const char *path, struct failure *failure);

/* Finds the type of the mount with this device number, st_dev, in a file like
 * /proc/self/mountinfo. False: it is not there. */
bool file_system_find_type(const char *mounts, uint64_t device, char *type, size_t size);

#endif
