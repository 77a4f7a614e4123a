/* write.h - the one funnel: every change of an item passes here, in one transaction.
 *
 *     1. key          derived from the request; errors name the attribute
 *     2. old item     read and copied
 *     3. new item     evaluated from the request
 *     4. event        INSERT, MODIFY or REMOVE; if nothing changed, the end
 *     5. store        the item's row
 *     6. record       for the table's stream
 *
 * Stages 1 to 4 write nothing: a request that they refuse leaves the transaction as it was. A
 * condition on the old item belongs between 2 and 3, index entries between 5 and 6.
 */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "table/transaction.h"

/* A put has `item`, a delete has `key`. */
struct write_request {
	const struct table *table;
	struct slice item;           /* the new item; len 0: a delete */
	struct slice key;            /* key attributes of the item to delete, and no others */
	enum origin origin;
};

struct write_result {
	enum event event;            /* 0: nothing changed */
	uint64_t sequence;           /* of the change; 0: nothing changed */
	struct slice old_item;       /* len 0: there was none; valid until the next request */
};

/* Applies the request. Errors of codec/key.h with the attribute named, FULL (put), TOO_BIG,
 * CORRUPT, NO_MEMORY, STORE. After a failure in stage 5 or 6 the transaction can only be
 * aborted. */
int write_item(struct transaction *transaction, const struct write_request *request,
	struct write_result *result, struct failure *failure);

#endif
