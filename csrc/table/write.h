/* write.h - all changes of items: each request passes the same stages in one transaction.
 *
 *     1. key          derived from the request; a put also needs free space in the file
 *     2. old item     read and copied; an expired one counts as absent
 *     3. condition    evaluated on the old item
 *     4. new item     given, or evaluated from the update
 *     5. event        INSERT, MODIFY or REMOVE; a request that changes nothing ends here
 *     6. store        writes the rows of the item
 *     7. index        moves the item in the expiry index
 *     8. record       adds a stream record to the pending ones
 *
 * Stages 1 to 5 write nothing: a request that they refuse leaves the transaction unchanged. An
 * expired item passes stages 6 to 8 first, as a removal by time to live. (In a table of a replica
 * it does not: such an item is changed like any other.)
 */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "expr/expression.h"
#include "table/transaction.h"

struct write_request {
	const struct table *table;
	struct slice item;           /* put: the new item */
	struct slice key;            /* update, delete: a map of the key attributes */
	bool updates;                /* update: `key` is not deleted */
	const struct binding *update;        /* NULL: the update changes no attribute */
	struct update *updater;      /* memory of the update */
	struct binding *condition;   /* NULL: none */
	bool removes_expired;        /* delete: the item is expired and is removed for this */
};

struct write_result {
	uint8_t event;               /* enum event; 0: nothing changed */
	uint64_t sequence;           /* of the change; 0: nothing changed */
	struct slice old_item;       /* valid until the next request; len 0: there was none */
	struct slice new_item;       /* borrowed from the request; len 0: there is none */
};

/* Applies a request. A request that changes nothing, but finds an expired item, removes it.
 * Returns REPLICATED; CONDITION_FAILED, with the item that failed in result->old_item; the
 * errors of codec/key.h, with the attribute in the message; VALIDATION and those of update_apply;
 * FULL (not for a delete), TOO_BIG, CORRUPT, NO_MEMORY, STORE. After a failure in stages 6 to 8 the
 * transaction can only be aborted. */
int write_item(struct transaction *transaction, const struct write_request *request,
	struct write_result *result, struct failure *failure);

/* Stages of write_item that need no transaction: the checks of expressions that need the
 * table's key; and condition and new item, with *new_item borrowed from the request. */
int write_check_expressions(const struct write_request *request, struct failure *failure);
int write_evaluate(const struct write_request *request, struct slice old,
	struct slice *new_item, struct failure *failure);

#endif
