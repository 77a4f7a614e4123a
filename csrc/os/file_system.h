/* file_system.h - detects network, cluster and FUSE file systems.
 *
 * A database needs a local file system, on which all processes share mappings and locks. Network
 * and cluster file systems are recognized by the type number of statfs(2). All FUSE file systems
 * have the same number; /proc/self/mountinfo gives their type, for example "fuse.sshfs". Of the
 * FUSE file systems only fuse-overlayfs counts as local, because containers use it for local
 * disks.
 */
#ifndef OS_FILE_SYSTEM_H
#define OS_FILE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Returns ERR_STORE if an open file is on a file system that several machines may share, or
 * on a FUSE file system that is not known to be local. */
int file_system_check_local(int fd, const char *path, struct failure *failure);

/* Stores in type the type of the mount with this device number (st_dev). mounts is the path
 * of a file in the format of /proc/self/mountinfo. Returns false if the mount is not found. */
bool file_system_find_type(const char *mounts, uint64_t device, char *type, size_t size);

#endif
