/* tide_replica.h - the part of the C core's interface that concerns replication.
 *
 * A replica is the state of one-way replication in the target database (doc/format.md). A sender
 * reads the source and returns frames (codec/frame.h), which tide_apply_frames applies to the
 * target. The two can be in one process, or at the ends of a pipe. The rules of tide.h hold.
 */
#ifndef TIDE_REPLICA_H
#define TIDE_REPLICA_H

#include "codec/frame.h"
#include "codec/replica.h"
#include "tide.h"

/* --- the target --- */

/* Replaces the contents of start with the state of the replica that a sender needs: its source, its
 * position and the states of its tables. names: names of the tables to replicate, each counted;
 * empty: all. If no replica has the name, the sender begins from scratch. Returns PROMOTED. */
int tide_replica_start(struct tide *tide, struct slice name, struct slice names,
	struct buffer *start, struct failure *failure);

struct tide_apply_spec {
	struct slice name;           /* of the replica, which is created if it does not exist */
	struct slice settings;       /* of a new replica: a map (codec/value.h) */
	struct slice names;          /* of the tables to replicate: table/apply.h */
	bool adopts, skips, is_strict;       /* table/apply.h */
	uint64_t loses;
};

struct tide_applied {
	size_t consumed;             /* bytes of frames that are done: the rest is applied by
	                              * another call */
	uint64_t position;
	uint64_t head;               /* last sequence number of the source; 0: not known */
	bool is_copying;
	bool has_ended;              /* the END frame was read */
};

/* Applies frames in a separate transaction. If they change nothing, nothing is committed. If a
 * frame is too big, those before it are applied, and *consumed is its offset: the next call returns
 * TOO_BIG. Returns the errors of table/apply.h and of a transaction. */
int tide_apply_frames(struct tide *tide, const struct tide_apply_spec *spec, struct slice frames,
	struct tide_applied *applied, struct failure *failure);

struct tide_replica {
	struct replica_row row;      /* its slices are lent until the next call */
	struct slice tables;         /* for each table u32 id in the source, u16 length, its row
	                              * (codec/replica.h) */
};

/* Reads a replica. Returns NOT_FOUND. */
int tide_describe_replica(struct tide *tide, struct slice name, struct tide_replica *replica,
	struct failure *failure);

/* Replaces the contents of names with the names of all replicas (each a varint length and the
 * bytes), in byte order. */
int tide_replica_names(struct tide *tide, struct buffer *names, struct failure *failure);

/* Makes the tables of a replica writable, and gives the database a new incarnation, in a separate
 * transaction. Returns NOT_FOUND, PROMOTED, COPYING. */
int tide_promote(struct tide *tide, struct slice name, struct failure *failure);

/* Removes a replica; its tables become writable. Returns NOT_FOUND. */
int tide_forget_replica(struct tide *tide, struct slice name, struct failure *failure);

/* --- the source --- */

struct tide_sender;

/* Starts to send from what tide_replica_start returned. restarts: copy all tables again, because
 * records that the replica needs have expired. Returns SOURCE_DIFFERS; TRIMMED if the last record
 * that the replica has read has expired; AHEAD; VALIDATION. */
int tide_sender_open(struct tide_sender **sender, struct tide *tide, struct slice start,
	bool restarts, struct failure *failure);

/* Appends frames to out until it has at least max bytes or everything committed was sent. Sets
 * *has_changes to true if they contain more than a new position, or if they end before the last
 * commit. Returns TRIMMED if records expired
 * before they were read; NOT_FOUND if a named table does not exist. */
int tide_sender_read(struct tide_sender *sender, struct tide *tide, size_t max,
	struct buffer *out, bool *has_changes, struct failure *failure);

/* Appends the END frame. */
int tide_sender_end(struct tide_sender *sender, struct buffer *out, struct failure *failure);

/* Return the position after the sent frames, the last record that was read (0: none), the number of
 * tables that wait for their copy, and the number of all tables. */
uint64_t tide_sender_position(const struct tide_sender *sender);
uint64_t tide_sender_record(const struct tide_sender *sender);
uint32_t tide_sender_copying(const struct tide_sender *sender);
uint32_t tide_sender_tables(const struct tide_sender *sender);

/* Appends the ids of the streams that are read (u32), ascending. */
int tide_sender_streams(const struct tide_sender *sender, struct buffer *ids);

/* As tide_feed_has_news, tide_feed_wait and tide_feed_is_touched. */
int tide_sender_wait(const struct tide_sender *sender, struct tide *tide, uint32_t ms);
bool tide_sender_is_touched(const struct tide_sender *sender, const struct tide *tide);

/* Accepts NULL. */
void tide_sender_close(struct tide_sender *sender);

/* Returns the memory that the sender occupies, in bytes. */
size_t tide_sender_bytes(const struct tide_sender *sender);

#endif
