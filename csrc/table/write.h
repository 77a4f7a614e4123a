/* write.h - the one funnel: every change of an item passes here.
 *
 * Key, old item, nothing changed?, new item, record - in one transaction.
 * Whatever a later feature has to do with a change, it does here.
 */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "table/transaction.h"

struct change {
	struct slice new_item;       /* len 0: the item goes */
	uint8_t origin;
};

/* What it did, for the caller; the old item is lent by the transaction until
 * its next change. */
struct changed {
	uint8_t event;               /* 0: nothing changed */
	uint64_t sequence;           /* of the change; 0: nothing changed */
	struct slice old_item;       /* len 0: there was none */
};

/* Puts an item: it must hold the table's key attributes (errors of
 * codec/key.h). */
int write_put(struct transaction *transaction, const struct table *table, struct slice item,
	struct changed *changed, struct failure *failure);

/* Deletes the item with this key, which must be the key and nothing else. */
int write_delete(struct transaction *transaction, const struct table *table,
	struct slice key_item, struct changed *changed, struct failure *failure);

#endif
