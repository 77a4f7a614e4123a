/* identity.h - locks on the data file that make all processes use the same side files.
 *
 * Side files are found by name, next to the data file. Two processes can find different ones for
 * the same data file: after a rename, through a bind mount, or after the side files were removed
 * and created again. Then locks on the side files would not exclude each other. So each process
 * also holds an open-file-description lock on the data file, which is called the claim:
 *
 *     claim    shared lock on 1 + pid bytes, starting at 2^61 + side * 2^23
 *     side     38-bit hash of the device and inode of the shared page file; 0 if
 *              the database is open read-only without side files
 *
 * A process acquires its claim, then tests for claims with another side. If two processes do this
 * at the same time, at least one of them detects the other. So all claims on a data file have the
 * same side, and all processes use the same side files. The length of a claim gives the pid of its
 * holder. The descriptors are closed in forked processes.
 */
#ifndef OS_IDENTITY_H
#define OS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

struct identity {
	int fd;                      /* descriptor of the data file; -1 if not open */
	struct file_facts facts;
};

/* Opens the data file, for writing unless read_only, and checks that it is a regular file
 * with one hard link, owned by the effective user, on a local disk. Returns 0, ERR_NO_FILE,
 * ERR_NOT_DATABASE, ERR_PERMISSION or ERR_STORE. */
int identity_open(struct identity *identity, const char *path, bool read_only,
	struct failure *failure);

/* Returns the side for a device and inode of a shared page file; never 0. */
uint64_t identity_side(uint64_t device, uint64_t inode);

/* Acquires a claim on an open file, then checks that path still refers to it (NULL if it has
 * no name yet). Returns ERR_BUSY if a process has the file open with other side files
 * (failure->pid is such a process, 0 if unknown), and ERR_BUSY with failure->transient set if
 * path refers to another file. Closing the descriptor releases the claim. */
int identity_claim(int fd, const char *path, uint64_t side, struct failure *failure);

/* Releases the claim and closes the file. May be called twice. */
void identity_close(struct identity *identity);

/* Closes the descriptor in a forked process. The parent keeps the claim. */
void identity_forget(struct identity *identity);

#endif
