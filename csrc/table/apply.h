/* apply.h - applies the frames of a source (codec/frame.h) to the tables of a replica.
 *
 * All changes of items pass write_item, and all changes of tables define.h. The position is written
 * in the same transaction. Each transaction of the source is one for readers of the target's
 * streams, also if several are applied in one commit. The distances between the sequence numbers of
 * its records are kept, so those in the source can be computed (codec/annotation.h).
 */
#ifndef TABLE_APPLY_H
#define TABLE_APPLY_H

#include "codec/frame.h"
#include "table/replica.h"
#include "table/transaction.h"

/* Bytes of frames, or of items that are removed, after which a commit ends. */
#define APPLY_BYTES (UINT64_C(8) << 20)
#define APPLY_REMOVED 2000

struct apply_spec {
	struct slice name;           /* of the replica, which is created if it does not exist */
	struct slice settings;       /* of a new replica: a map */
	struct slice names;          /* of the tables to replicate, each counted, in byte order;
	                              * empty: all */
	const uint8_t *database;     /* id of this database */
	bool adopts;                 /* take over tables that exist here */
	bool skips;                  /* leave out tables that can't be followed */
	bool is_strict;              /* later: fail if a table can no longer be followed */
	uint64_t loses;              /* number of this database's changes that may be lost */
};

struct apply_result {
	size_t consumed;             /* bytes of the frames that are done; after an error, those
	                              * before the frame that failed */
	bool has_moved;              /* one of them was another frame than SOURCE */
	uint64_t position;
	uint64_t head;               /* last sequence number of the source; 0: not known */
	bool is_copying;
	bool has_ended;              /* the END frame was read */
};

/* Applies frames until they end or APPLY_BYTES is reached. If *consumed is less than their length,
 * the rest is applied in another transaction; a frame that was applied before is skipped. Returns
 * PROMOTED, SOURCE_DIFFERS, REPLICA_MOVED (the frames don't continue at the position), IN_USE,
 * VALIDATION (the source sends other tables), WOULD_LOSE, NOT_FOLLOWED, LOOP, TRIMMED (after too
 * many copies), CORRUPT, and the errors of write_item and define.h. */
int apply_frames(struct transaction *transaction, const struct apply_spec *spec,
	struct slice frames, struct apply_result *result, struct failure *failure);

/* Promotes a replica: its tables become writable. Returns NOT_FOUND, PROMOTED, COPYING. */
int apply_promotion(struct transaction *transaction, struct slice name, struct failure *failure);

/* Removes a replica; its tables become writable. Returns NOT_FOUND. */
int apply_removal(struct transaction *transaction, struct slice name, struct failure *failure);

#endif
