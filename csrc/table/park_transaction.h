/* park_transaction.h - marks of parked transactions (stream/parked_transaction.h).
 *
 * Two parked transactions of a consumer are neighbours if both have records of the same key, and no
 * parked transaction between them has one. A transaction can be delivered after all older
 * neighbours, and theirs. So while a transaction is marked, its older neighbours are marked, and
 * the marked transactions can be delivered in the order of their ids.
 *
 * All functions return 0, CORRUPT, NO_MEMORY or STORE. They add the increase of the number of
 * marked records to *replays.
 */
#ifndef TABLE_PARK_TRANSACTION_H
#define TABLE_PARK_TRANSACTION_H

#include "stream/parked_transaction.h"

/* Marks a parked transaction, and before it the older ones that must be delivered first, at most
 * `most` transactions, the oldest ones. Adds their number to *count. */
int park_mark_transaction(struct txn *txn, uint64_t consumer, uint64_t transaction, uint64_t most,
	uint64_t *count, int64_t *replays);

/* Removes the marks of a transaction and of all that must be delivered after it. */
int park_unmark_transaction(struct txn *txn, uint64_t consumer, uint64_t transaction,
	int64_t *replays);

/* Marks a transaction whose records have just been parked, if it has neighbours and these will be
 * delivered before it: its older ones are marked or, if it has none, a newer one is. Otherwise
 * removes its mark and those of all that must be delivered after it. */
int park_inherit_mark(struct txn *txn, uint64_t consumer, uint64_t transaction, int64_t *replays);

#endif
