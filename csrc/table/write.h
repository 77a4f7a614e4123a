/* write.h - the one funnel: every change of an item passes here, in one transaction.
 *
 *     1. key          derived from the request; errors name the attribute
 *     2. old item     read and copied
 *     3. condition    evaluated on the old item
 *     4. new item     given, or evaluated from the update
 *     5. event        INSERT, MODIFY or REMOVE; if nothing changed, the end
 *     6. store        the item's row
 *     7. record       for the table's stream
 *
 * Stages 1 to 5 write nothing: a request that they refuse leaves the transaction as it was.
 * Index entries belong between 6 and 7.
 */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "expr/expression.h"
#include "table/transaction.h"

/* A put has `item`; an update has `key` and `updates`; a delete has `key`. */
struct write_request {
	const struct table *table;
	struct slice item;           /* the new item; len 0: no put */
	struct slice key;            /* key attributes of the item, and no others */
	bool updates;
	const struct binding *update;        /* NULL: the update changes no attribute */
	struct update *updater;      /* memory of the update */
	struct binding *condition;   /* NULL: none */
	enum origin origin;
};

struct write_result {
	enum event event;            /* 0: nothing changed */
	uint64_t sequence;           /* of the change; 0: nothing changed */
	struct slice old_item;       /* len 0: there was none; valid until the next request */
	struct slice new_item;       /* len 0: there is none; borrowed from the request */
};

/* Applies the request. CONDITION_FAILED, with the item that failed in result->old_item; errors
 * of codec/key.h with the attribute named, VALIDATION, those of update_apply, FULL (not for a
 * delete), TOO_BIG, CORRUPT, NO_MEMORY, STORE. After a failure in stage 6 or 7 the transaction
 * can only be aborted. */
int write_item(struct transaction *transaction, const struct write_request *request,
	struct write_result *result, struct failure *failure);

/* Stages of write_item that need no transaction: the checks of expressions that need the
 * table's key; and condition and new item, with *new_item borrowed from the request. */
int write_check_expressions(const struct write_request *request, struct failure *failure);
int write_evaluate(const struct write_request *request, struct slice old,
	struct slice *new_item, struct failure *failure);

#endif
