/* file_header.h - reads and writes the rows that identify the file, and its past incarnations.
 *
 * The rows are in `meta`, except those of past incarnations:
 *
 *     catalog   0x14, sequence number (u64)    incarnation in which this change and those after the
 *                                              previous such row were made; 1 (u8) if it was ended
 *                                              by the promotion of a replica
 */
#ifndef TABLE_FILE_HEADER_H
#define TABLE_FILE_HEADER_H

#include "codec/state.h"
#include "lmdb/txn.h"

/* Reads and writes the file header. Reading returns NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT,
 * FOREIGN_FORMAT or CORRUPT if it is not that of a file of this format; header->made_by borrows
 * from the transaction. */
int file_header_read(struct txn *txn, struct file_header *header);
int file_header_write(struct txn *txn, const struct file_header *header);

/* The row that exists while the file is written at a durability level below full. It holds the
 * boot id of that time. weak_boot_read sets *is_this if that is the current boot and returns END
 * if the row does not exist, CORRUPT; weak_boot_write stores the current boot id. */
int weak_boot_read(struct txn *txn, bool *is_this);
int weak_boot_write(struct txn *txn);
int weak_boot_delete(struct txn *txn);

/* The row with the maximum size of the file, in bytes. Reading sets *bytes, and returns END if the
 * row does not exist, CORRUPT. */
int max_size_read(struct txn *txn, uint64_t *bytes);
int max_size_write(struct txn *txn, uint64_t bytes);

/* Notes that changes up to this sequence number were made in an incarnation that has ended, by a
 * promotion or by a copy of the file. Does nothing if that was noted for this number. */
int incarnation_end(struct txn *txn, uint64_t sequence, const uint8_t incarnation[FILE_ID_BYTES],
	bool is_promotion);

/* Sets *continues to true if the present incarnation continues this one, which had made the changes
 * up to the sequence number: only promotions are between them, all after that number. */
int incarnation_continues(struct txn *txn, const uint8_t incarnation[FILE_ID_BYTES],
	uint64_t sequence, bool *continues);

/* Appends the incarnations that have ended (codec/state.h), in ascending order. Returns CORRUPT,
 * NO_MEMORY, STORE. */
int incarnations_read(struct txn *txn, struct buffer *out);

#endif
