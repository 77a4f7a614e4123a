/* segment.h - segments of a parallel scan: disjoint sets of partitions that cover a table.
 *
 * A partition is in segment (partition_hash * total) >> 32, with the keyed hash that stream
 * records carry. So a segment depends on partition key, total and file alone, and a partition is
 * in one segment.
 *
 * A scan of a segment walks the whole table in key order and skips the rows of other segments. A
 * page that has skipped PAGE_SKIPPED rows ends at the next stop: a row whose hash, over its whole
 * key, is a multiple of STOP_DISTANCE. A scan of any segment may start after a stop, and
 * otherwise only after a key of the segment itself, so that a start key that was given to the
 * wrong segment is refused.
 */
#ifndef TABLE_SEGMENT_H
#define TABLE_SEGMENT_H

#include "table/keyspace.h"

/* Number of rows that a page skips before it ends at the next stop, and average number of rows
 * from one stop to the next. */
#define PAGE_SKIPPED 100000
#define STOP_DISTANCE 1024

struct segment {
	uint32_t number;             /* from 0 to total - 1 */
	uint32_t total;
	const uint8_t *secret;       /* borrowed from the caller of segment_start */
	struct key_schema schema;
	bool has_last;               /* result for the last partition that was tested */
	uint16_t last_len;           /* length of its head; 0: none */
	uint8_t last[KEY_HEAD_MAX];
};

/* Initializes a segment of a table with this schema. */
void segment_start(struct segment *segment, uint32_t number, uint32_t total,
	const struct key_schema *schema, const uint8_t *secret);

/* Sets *has to whether the current row of the walk is in the segment. The partition key is
 * hashed once for consecutive rows of a partition. If it is not in the row's key, the item is
 * read into scratch. Returns CORRUPT, NO_MEMORY, STORE. */
int segment_has_row(struct segment *segment, const struct row_walk *walk,
	struct buffer *scratch, bool *has);

/* Returns true if an item, or a map of its key attributes, is in the segment. */
bool segment_has_item(const struct segment *segment, struct slice item);

/* Returns true if the row with this key is a stop. */
bool segment_is_stop(const struct segment *segment, struct slice row_key);

/* Returns VALIDATION if the key, a valid one, is neither in the segment nor a stop. */
int segment_check_start(const struct segment *segment, const struct keyspace *keyspace,
	struct slice key_item, struct failure *failure);

#endif
