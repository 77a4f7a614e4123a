/* keyspace.h - the rows whose keys begin with one id: the items of a table.
 *
 * Queries, scans and gets read a keyspace; they use nothing else of a table.
 */
#ifndef TABLE_KEYSPACE_H
#define TABLE_KEYSPACE_H

#include "codec/expiry.h"
#include "table/catalog.h"
#include "table/items.h"
#include "table/key_errors.h"

/* A filter, a projection, or both in one; applied before an item is copied. */
struct item_filter {
	/* Sets *shown to the bytes to return for the item: the item itself, or a map that
	 * stays valid until the next call. Returns 0, END to leave the item out, or an error. */
	int (*apply)(void *context, struct slice item, struct slice *shown);
	void *context;
};

struct keyspace {
	uint32_t id;                 /* first part of every key */
	const struct key_schema *schema;
	const struct item_filter *projection;        /* never returns END; NULL: whole items */
	const char *table;           /* name of the table, for messages */
	const struct time_to_live *ttl;
	uint64_t now_ms;             /* items expired at this time are absent; 0: none are */
};

/* Returns the keyspace of a table's items at a time, which borrows from table. */
static inline struct keyspace keyspace_of_table(const struct table *table, uint64_t now_ms)
{
	return (struct keyspace){
		.id = table->row.id, .schema = &table->row.schema, .table = table->row.name,
		.ttl = &table->row.ttl, .now_ms = table->row.ttl.index ? now_ms : 0,
	};
}

/* Returns true if the item is expired and therefore absent. */
static inline bool keyspace_hides(const struct keyspace *keyspace, struct slice item)
{
	return keyspace->now_ms && is_expired(
		item_expiry(item, time_to_live_name(keyspace->ttl)), keyspace->now_ms);
}

/* Sets *key to the key of an item. Returns the errors of codec/key.h; the message names the
 * attribute. */
static inline int keyspace_key(struct key *key, const struct keyspace *keyspace,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_item(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

/* Like keyspace_key, for a map that must contain the key attributes and no others. */
static inline int keyspace_key_alone(struct key *key, const struct keyspace *keyspace,
	struct slice item, const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_key(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

/* Reads the item with this key like item_get. Returns 0, END or an error; END if the item is
 * expired. */
static inline int keyspace_get(struct stored *stored, const struct keyspace *keyspace,
	struct txn *txn, const struct key *key, struct slice asked, struct buffer *scratch,
	struct failure *failure)
{
	int err = item_get(stored, txn, key, keyspace->schema, asked, scratch);

	if (!err && keyspace_hides(keyspace, stored->item))
		return END;
	return err < 0 ? fail_about(failure, err, "table %s", keyspace->table) : err;
}

#endif
