/* stream_set.h - the streams that a feed reads: one, several or all. */
#ifndef STREAM_STREAM_SET_H
#define STREAM_STREAM_SET_H

#include "stream/stream.h"

/* A zeroed set contains the streams of all tables. */
struct stream_set {
	uint32_t one;                /* id of the only stream; 0: several */
	uint32_t *ids;               /* of several streams, ascending; NULL: all streams */
	size_t count;
	bool with_tables;            /* all streams, also that of the changes of tables */
};

/* Makes a zeroed set contain the streams with these ids (u32), in ascending order; empty: those
 * of all tables. Returns 0 or NO_MEMORY. */
int stream_set_init(struct stream_set *set, struct slice ids);

bool stream_set_has(const struct stream_set *set, uint32_t id);

/* Replaces *id with the next greater id of an existing stream of the set. Returns END if there is
 * none. */
int stream_set_next(const struct stream_set *set, struct txn *txn, uint32_t *id);

/* Does the same and reads the stream's row. *id is also set if the row is damaged. */
int stream_set_next_row(const struct stream_set *set, struct txn *txn, uint32_t *id,
	struct stream_row *row);

void stream_set_release(struct stream_set *set);

#endif
