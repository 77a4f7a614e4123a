/* consumer.h - the rows of consumers in a transaction.
 *
 *     consumers   0x30, name                                consumer      codec/consumer.h
 *     consumers   0x31, consumer id (u64), shard (u16)      progress
 *     consumers   0x32, consumer id (u64), stream id (u32)  floor: two sequence numbers
 *     consumers   0x35, consumer id (u64), shard (u16)      copy
 */
#ifndef STREAM_CONSUMER_H
#define STREAM_CONSUMER_H

#include "codec/consumer.h"
#include "lmdb/txn.h"
#include "stream/feed.h"

/* Reads the consumer with this name. Its streams and settings are lent until the next write.
 * Returns END if there is none, or CORRUPT. */
int consumer_read(struct consumer_row *row, struct txn *txn, struct slice name);

/* Describes an error of reading the consumer with this name: NOT_FOUND for END. Returns 0 if err is
 * 0. */
int consumer_failed(struct failure *failure, int err, struct slice name);

/* Stores the row of a consumer. Returns TOO_BIG if its settings do not fit in a row. */
int consumer_write(struct txn *txn, struct slice name, const struct consumer_row *row);

/* Removes a consumer with its progress, floors and copy. */
int consumer_remove(struct txn *txn, struct slice name, uint64_t id);

/* Appends the names of all consumers to names, each counted, in byte order. */
int consumer_names(struct buffer *names, struct txn *txn);

/* Reads the progress of a shard. row->end is lent until the next write. Returns END if the consumer
 * has no progress, because it was deleted. */
int progress_read(struct progress_row *row, struct txn *txn, uint64_t id, uint16_t shard);
int progress_write(struct txn *txn, uint64_t id, const struct progress_row *row);
int progress_remove(struct txn *txn, uint64_t id, uint16_t first);

/* Reads the row of progress that begins at *shard, and sets *shard to the first shard after it.
 * Returns END if no row begins there. Calls that begin with *shard = 0 enumerate all rows. */
int progress_next(struct progress_row *row, struct txn *txn, uint64_t id, uint16_t *shard);

/* Replaces the position of a row, and the time at which it was set, by those of another row, if the
 * other position is lower, or is the same and was set earlier. */
void progress_take_older(struct progress_row *row, const struct progress_row *other);

/* Reads the progress of the first shards, with the lowest position of all ranges
 * (progress_take_older). Returns as progress_read. */
int progress_read_oldest(struct progress_row *row, struct txn *txn, uint64_t id);

/* Read, write and remove the copy of a consumer's first shards. row->key is lent until the next
 * write. Reading returns END if the consumer has none, or CORRUPT. */
int copy_read(struct copy_row *row, struct txn *txn, uint64_t id);
int copy_write(struct txn *txn, uint64_t id, const struct copy_row *row);
int copy_remove(struct txn *txn, uint64_t id);

/* Replaces the floors of a consumer by the feed's floors that are after the feed's position. For a
 * feed of several streams also stores the floors of streams with records after the position,
 * because such a stream can be removed. */
int floors_write(struct txn *txn, uint64_t id, const struct feed *feed);

/* Sets *floor to the floor of a consumer on a stream. Returns END if it has none. */
int floor_read(uint64_t *floor, struct txn *txn, uint64_t id, uint32_t stream);

/* Sets the floors of a feed, which has none, to those of a consumer. */
int floors_read(struct feed *feed, struct txn *txn, uint64_t id);

#endif
