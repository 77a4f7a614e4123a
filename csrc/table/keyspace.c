/* keyspace.c - keys and single items of a keyspace. */
#include "table/keyspace.h"

#include "table/key_errors.h"

int keyspace_key(struct key *key, const struct keyspace *keyspace, struct slice item,
	const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_item(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

int keyspace_key_alone(struct key *key, const struct keyspace *keyspace, struct slice item,
	const uint8_t secret[HASH_SECRET_BYTES], struct failure *failure)
{
	int err = key_of_key(key, keyspace->id, keyspace->schema, item, secret);

	return err ? fail_key(failure, err, keyspace->schema, item) : 0;
}

int keyspace_get(struct stored *stored, const struct keyspace *keyspace, struct txn *txn,
	const struct key *key, struct slice asked, struct buffer *scratch,
	struct failure *failure)
{
	int err = item_get(stored, txn, key, keyspace->schema, asked, scratch);

	return err < 0 ? fail_with(failure, err, "table %s", keyspace->table) : err;
}
