/* consume_range.h - ranges of a consumer's shards in a write transaction. A worker owns a range.
 *
 * The ranges of a consumer are its rows of progress. The epoch of a shard never decreases. It also
 * increases when its range is divided or united with an adjacent one.
 */
#ifndef TABLE_CONSUME_RANGE_H
#define TABLE_CONSUME_RANGE_H

#include "stream/consumer.h"
#include "table/transaction.h"

/* Return the result of a write, err. After a failure the transaction can only be aborted.
 * consume_announced also makes the commit notify all workers. */
int consume_written(struct transaction *transaction, int err, struct failure *failure);
int consume_announced(struct transaction *transaction, int err, struct failure *failure);

/* Reads the progress of a range. Returns CONSUMER_GONE; LEASE_LOST if the range does not exist or
 * has another epoch. */
int range_verify(struct transaction *transaction, struct shard_range range,
	struct progress_row *row, struct failure *failure);

/* Reads the progress of the first shards, which also has the state of the whole consumer. */
int range_read_head(struct transaction *transaction, uint64_t id, struct progress_row *head,
	struct failure *failure);

/* Unites all ranges of a consumer to one, with the lowest position of all, a new epoch and no
 * owner. If the consumer has only one range, its epoch and owner are unchanged. Sets *head to the
 * progress. Returns CORRUPT if the ranges do not cover the shards. */
int range_unite(struct transaction *transaction, const struct consumer_row *consumer,
	struct progress_row *head, struct failure *failure);

/* Divides a range before the shard `at`. Its owner keeps the first part or, if keeps_right, the
 * second one; the other part has no owner. Both get a new epoch. Sets *row to the part that is
 * kept. Returns CONSUMER_GONE; LEASE_LOST, also if `at` is not in the range or the consumer is
 * copying. */
int consume_split(struct transaction *transaction, struct shard_range range, uint16_t at,
	bool keeps_right, struct progress_row *row, struct failure *failure);

/* Unites two adjacent ranges that have the same owner and position; the result has a new epoch and
 * is stored in *row. Returns CONSUMER_GONE or LEASE_LOST. */
int consume_merge(struct transaction *transaction, struct shard_range left,
	struct shard_range right, struct progress_row *row, struct failure *failure);

/* Sets the number of shards of a consumer, and increases the epochs if the number changes or
 * `renews` is true. Returns CONSUMER_DIFFERS if the consumer is not paused; VALIDATION unless the
 * number is valid and either a multiple of the former one or all shards have the same position. */
int consume_reshard(struct transaction *transaction, struct slice name, uint16_t shards,
	bool renews, struct failure *failure);

#endif
