/* keyspace.h - what is read: the rows whose keys begin with one id.
 *
 * The items of a table are a keyspace. Readers know no more of a table than this.
 */
#ifndef TABLE_KEYSPACE_H
#define TABLE_KEYSPACE_H

#include "table/catalog.h"
#include "table/items.h"
#include "table/key_errors.h"

/* Decides what of an item is given to a reader, before the item is copied. */
struct item_filter {
	/* Sets *shown to what is given of the item: the item itself, or bytes that stay valid
	 * until the next call. Returns 0, END to leave the item out, or an error. */
	int (*apply)(void *context, struct slice item, struct slice *shown);
	void *context;
};

struct keyspace {
	uint32_t id;                 /* first part of every key */
	const struct key_schema *schema;
	const struct item_filter *projection;        /* leaves no item out; NULL: all attributes */
	const char *table;           /* name, for messages */
};

/* Returns the keyspace of the table's items. It borrows from table. */
static inline struct keyspace keyspace_of_table(const struct table *table)
{
	return (struct keyspace){
		.id = table->row.id, .schema = &table->row.schema, .table = table->row.name,
	};
}

/* Sets *key to the key of an item; keyspace_key_alone refuses other attributes than those of
 * the key. Errors of codec/key.h; failure names the attribute. */
static inline int keyspace_key(struct key *key, const struct keyspace *keyspace,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_item(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

static inline int keyspace_key_alone(struct key *key, const struct keyspace *keyspace,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_key(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

/* Reads the item with this key: see item_get. Returns 0, END or an error. */
static inline int keyspace_get(struct stored *stored, const struct keyspace *keyspace,
	struct txn *txn, const struct key *key, struct slice asked, struct buffer *scratch,
	struct failure *failure)
{
	int err = item_get(stored, txn, key, keyspace->schema, asked, scratch);

	return err < 0 ? fail_with(failure, err, "table %s", keyspace->table) : err;
}

#endif
