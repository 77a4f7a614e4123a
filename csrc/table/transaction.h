/* transaction.h - a write transaction: everything between begin and commit.
 *
 * One for a handle, reused. The outer write lock is the caller's. What it
 * remembers between transactions (catalog, state, where streams end) holds as
 * long as nobody else has committed; begin finds out with one comparison.
 */
#ifndef TABLE_TRANSACTION_H
#define TABLE_TRANSACTION_H

#include "stream/pending.h"
#include "stream/retention.h"
#include "table/catalog.h"

/* What one transaction may write, items and images together: it is held in
 * memory until it commits, and everyone else waits for it. */
#define TRANSACTION_MAX_BYTES (UINT64_C(32) << 20)

struct transaction {
	struct store *store;
	struct catalog *catalog;
	const uint8_t *secret;       /* of the file, HASH_SECRET_BYTES */

	struct txn *txn;             /* NULL: none is open */
	struct state state;
	uint64_t known_at;           /* the commit whose state and streams are known */
	uint64_t now_ms;
	uint64_t clock_ms;           /* retention clock */
	uint64_t bytes;              /* of items and images written */
	uint64_t last_sequence;      /* of its changes; 0: none */
	bool changed;                /* there is something to commit */
	int broken;                  /* a half-done change: it can only be aborted */
	bool clock_unsaved;          /* the file lacks a jump, or that this boot was seen */
	bool swept;                  /* it is a step of trim: commit clears no more away */

	struct pending_records pending;
	uint32_t look;               /* which stream a writer looks at next, by turns */
	struct buffer scratch;       /* rows being made */
	struct buffer old;           /* the old item, in one piece: lent with a change */
};

/* Begins; the handle's catalog is refreshed. What can fail: lmdb/store.h, and
 * CORRUPT. */
int transaction_begin(struct transaction *transaction, struct failure *failure);

/* Appends the records, trims a little, writes the state and commits. Whatever
 * happens, no transaction is open afterwards. */
int transaction_commit(struct transaction *transaction, struct failure *failure);

/* Ends it as if it had not been. */
void transaction_abort(struct transaction *transaction);

/* The next sequence number; the state is written at commit. */
uint64_t transaction_sequence(struct transaction *transaction);

/* After a store's failure in the middle of a change: nothing may be committed. */
int transaction_break(struct transaction *transaction, int err);

/* After a change of tables or streams: the copies are made anew. */
int transaction_catalog_changed(struct transaction *transaction);

/* When none is open: the memory goes. */
void transaction_release(struct transaction *transaction);

#endif
