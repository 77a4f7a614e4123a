/* truncate.h - removes the items that a table had at one moment, in small steps.
 *
 * The caller commits each step as a transaction, so that no commit takes long and other writers
 * come in between. Items that were put or changed after that moment stay.
 */
#ifndef TABLE_TRUNCATE_H
#define TABLE_TRUNCATE_H

#include "table/transaction.h"

/* Numbers at which a step ends: of removed items, of their bytes, and of items visited. */
#define TRUNCATE_ITEMS 1000
#define TRUNCATE_BYTES (1024 * 1024)
#define TRUNCATE_VISITED 10000

/* Begins a truncation: sets *sequence to the last sequence number assigned, and adds the record of
 * the truncation, which readers of streams see as a separate transaction. After an error the
 * transaction can only be aborted. Returns CORRUPT, NO_MEMORY, STORE, FULL. */
int truncate_begin(struct transaction *transaction, const struct table *table, uint64_t *sequence,
	struct failure *failure);

/* Does one step: removes items of the table whose last change is at most `sequence`, from the one
 * after *last on (head_len 0: from the first), and sets *last to the last item visited. With a
 * stream each is deleted like a single item (write.h); without one its rows are deleted unread.
 * Each takes a sequence number. Adds their number to *removed. Sets *more if the step has ended
 * before the last item; also before a damaged one, at which the next step returns CORRUPT. After
 * an error the transaction can only be aborted, and *last and *removed are undefined. Returns
 * FULL (for records with old images), CORRUPT, NO_MEMORY, STORE. */
int truncate_step(struct transaction *transaction, const struct table *table,
	uint64_t sequence, struct key *last, uint64_t *removed, bool *more,
	struct failure *failure);

#endif
