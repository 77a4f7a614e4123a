/* file_header.h - the rows of `meta` that say which file it is, and how it was written. */
#ifndef TABLE_FILE_HEADER_H
#define TABLE_FILE_HEADER_H

#include "codec/state.h"
#include "lmdb/store.h"

/* NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT, CORRUPT. made_by is lent by the
 * transaction. */
int file_header_read(struct txn *txn, struct file_header *header);
int file_header_write(struct txn *txn, const struct file_header *header);

/* The boot at which the file was last written at a weaker durability level: END if
 * it never was; CORRUPT. */
int weak_boot_read(struct txn *txn, bool *is_this);
int weak_boot_write(struct txn *txn);        /* this one */
int weak_boot_delete(struct txn *txn);

#endif
