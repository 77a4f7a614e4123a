/* write.h - all changes of items: each request passes the same stages in one transaction.
 *
 *     1. key          derived from the request; a put also needs free space in the file
 *     2. old item     read and copied
 *     3. new item     evaluated from the request
 *     4. event        INSERT, MODIFY or REMOVE; a request that changes nothing ends here
 *     5. store        writes the rows of the item
 *     6. record       adds a stream record to the pending ones
 *
 * Stages 1 to 4 write nothing: a request that they refuse leaves the transaction unchanged. A
 * condition on the old item belongs after 2, index entries after 5.
 */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "table/transaction.h"

struct write_request {
	const struct table *table;
	struct slice item;           /* put: the new item */
	struct slice key;            /* delete, if item.len is 0: a map of the key attributes */
	uint8_t origin;              /* enum origin */
};

struct write_result {
	uint8_t event;               /* enum event; 0: nothing changed */
	uint64_t sequence;           /* of the change; 0: nothing changed */
	struct slice old_item;       /* valid until the next request; len 0: there was none */
};

/* Applies a request. Returns the errors of codec/key.h, with the attribute in the message; FULL
 * (put), TOO_BIG, CORRUPT, NO_MEMORY, STORE. After a failure in stage 5 or 6 the transaction can
 * only be aborted. */
int write_item(struct transaction *transaction, const struct write_request *request,
	struct write_result *result, struct failure *failure);

#endif
