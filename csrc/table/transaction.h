/* transaction.h - a write transaction, from begin to commit.
 *
 * Each handle has one struct transaction and uses it again for each transaction. The caller
 * holds the outer write lock. Catalog, state and stream bounds are cached between transactions;
 * begin compares the commit number, which shows whether another handle has committed.
 */
#ifndef TABLE_TRANSACTION_H
#define TABLE_TRANSACTION_H

#include "stream/pending.h"
#include "stream/retention.h"
#include "stream/trim_after.h"
#include "table/catalog.h"

/* Maximum number of bytes that one transaction may write, items and images together. They are
 * kept in memory until the commit, and all other writers wait. */
#define TRANSACTION_MAX_BYTES (UINT64_C(32) << 20)

struct transaction {
	struct store *store;
	struct catalog *catalog;
	const uint8_t *secret;       /* the file's hash secret, HASH_SECRET_BYTES */

	struct txn *txn;             /* NULL: no transaction is open */
	struct state state;
	uint64_t known_at;           /* number of the commit for which the cache is valid */
	uint64_t now_ms;
	uint64_t clock_ms;           /* retention clock */
	uint64_t removal_ms;         /* items expired at this time can be removed */
	uint64_t bytes;              /* written so far, items and images */
	uint64_t changes;            /* number of sequence numbers assigned */
	uint64_t records;            /* number of records appended to streams */
	uint64_t began_at;           /* last sequence number when it began */
	uint64_t last_sequence;      /* of the last change; 0: none */
	bool changed;                /* there is something to commit */
	bool has_progressed;         /* a consumer's position was moved by its batch */
	bool notifies;               /* the commit concerns readers, or workers of consumers */
	int broken;                  /* error of a half-done change; commit returns it */
	bool clock_unsaved;          /* a jump of the clock, or this boot, is not in the file */
	bool swept;                  /* this is a step of trim: commit does not sweep */
	uint64_t replica;            /* id of the replica whose changes it applies; 0: none */

	struct pending_records pending;
	uint32_t next_known;         /* cached stream that a commit looks at next, round robin */
	uint32_t last_swept;         /* stream that was swept last: they are swept by turns */
	struct trim_scan scan;       /* for the trim of the stream of the changes of tables */
	uint32_t last_expired;       /* expiry index of the table whose items were removed last */
	const struct table *written; /* one with time to live that was written to; NULL: none */
	struct buffer scratch;       /* the row of the state; the change of a table */
	struct buffer old;           /* old item of the last request */
	struct buffer definition, new_definition;    /* of a table (table_record.h) */
};

/* Begins a transaction and refreshes the handle's catalog. Returns the errors of writer_begin,
 * CORRUPT, NO_MEMORY. */
int transaction_begin(struct transaction *transaction, struct failure *failure);

/* Appends the pending records, does a small step of sweeping, writes the state and commits. If
 * nothing changed, ends the transaction without a commit. On failure the transaction is
 * aborted. */
int transaction_commit(struct transaction *transaction, struct failure *failure);

/* Discards all changes. */
void transaction_abort(struct transaction *transaction);

/* Returns the next sequence number. The state is written at commit. */
uint64_t transaction_sequence(struct transaction *transaction);

/* Makes the next sequence number at least this one. */
void transaction_skip_to(struct transaction *transaction, uint64_t sequence);

/* Returns REPLICATED if the table belongs to a replica and the transaction does not apply its
 * changes. */
int transaction_check_table(const struct transaction *transaction, const struct table_row *table,
	struct failure *failure);

/* Notes that an item of a table of the catalog expires at this time. */
void transaction_expects_expiry(struct transaction *transaction, const struct table *table,
	uint64_t expiry_ms);

/* Sets the annotation of the transaction, an encoded one (codec/annotation.h) or no bytes. It
 * replaces an earlier one. Returns 0 or NO_MEMORY. */
int transaction_annotate(struct transaction *transaction, struct slice annotation);

/* Appends the pending records to their streams: they are one transaction for readers. */
int transaction_flush(struct transaction *transaction);

/* Marks the transaction as broken if err is negative: after a failure in the middle of a change
 * it can only be aborted. Returns err. */
int transaction_break(struct transaction *transaction, int err);

/* Increments the catalog version and reads the catalog again, after tables or streams were
 * changed. */
int transaction_catalog_changed(struct transaction *transaction);

/* The same after a table was created with this row: what is cached stays valid. */
void transaction_table_created(struct transaction *transaction, const struct table_row *row);

/* Releases the memory. No transaction may be open. */
void transaction_release(struct transaction *transaction);

#endif
