/* identity.h - which data file a store has open, and which side files it uses with it.
 *
 * A file can be reached by several names: after a rename, through a bind mount,
 * or when the files beside it were removed and made again. The side files that
 * processes find by name are then not the same, and locks on them exclude
 * no process. So exclusion begins at the data file itself: each process that has it
 * open holds an open-file-description lock on a descriptor of its own, the claim.
 *
 *     claim    shared, 1 + pid bytes from 2^61 + side * 2^23 on
 *     side     38 bits of a hash of the wake file's device and inode; 0: the
 *              database is open without side files, read-only
 *
 * A process places its claim and then looks for claims of another side: of two that
 * do so at the same time at least one sees the other. All claims on a file
 * therefore have one side, and the side files are the same for all. The
 * length tells the pid. Descriptors are closed in children of fork.
 */
#ifndef OS_IDENTITY_H
#define OS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "os/file.h"

struct identity {
	int fd;                      /* of the data file; -1: not open */
	struct file_facts facts;
};

/* Opens the data file, for writing unless read_only, and checks that it is a
 * regular file of ours, with one name, on a local disk. NO_FILE, NOT_DATABASE,
 * PERMISSION, STORE. */
int identity_open(struct identity *identity, const char *path, bool read_only,
	struct failure *failure);

/* The side of a pair of side files, from the wake file's device and inode. */
uint64_t identity_side(uint64_t device, uint64_t inode);

/* Places a claim on an open file, then looks whether it still has the name (NULL: it
 * has none yet). BUSY if a process has it open with other side files: failure->pid
 * is one of them. BUSY with failure->momentary set if the name has changed. Closing
 * the descriptor drops the claim. */
int identity_claim(int fd, const char *path, uint64_t side, struct failure *failure);

/* Drops the claim and closes; twice is fine. */
void identity_close(struct identity *identity);

/* In a child of fork: closes, and leaves the claim to the parent. */
void identity_forget(struct identity *identity);

#endif
