/* peer_tidetable.c - this library called from C, through csrc/tide.h.
 *
 * Works like a binding for another language: items are encoded and decoded with the
 * codec, and every check, checksum and record is included. The difference from the
 * same library called from Lua is the cost of Lua.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/builder.h"
#include "lib/peer.h"
#include "tide.h"

#define PAGE 1000
#define WAIT_MS 1000
#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static struct tide *db;
static struct tide_table orders;
static struct tide_feed *feed;
static struct builder builder;
static struct buffer found;
static struct failure failure;

static const enum durability durability[] = {
	[LEVEL_FULL] = DURABILITY_FULL,
	[LEVEL_ONE_FLUSH] = DURABILITY_ONE_FLUSH,
	[LEVEL_RELAXED] = DURABILITY_NONE,     /* no such level; never requested */
	[LEVEL_NONE] = DURABILITY_NONE,
};

static void must(int err, const char *what)
{
	if (err)
		die(what, err == END ? "it is not there" : failure.message);
}

static void describe(void)
{
	printf("tidetable " TIDE_VERSION ", its core from C; %s\n", tide_engine());
	printf("durability by name; NEW_AND_OLD_IMAGES, checksums as always\n");
	printf("put: tide_begin, tide_put of canonical bytes, tide_commit; "
		"read: pages of %d records\n", PAGE);
}

/* --- opening --- */

static void make_table(enum use use)
{
	struct tide_table_spec spec = {
		.name = slice_of(orders.name, orders.len),
		.schema = { { TYPE_S, 8, "customer" }, { TYPE_N, 9, "placed_at" } },
		.view = use == USE_CAPTURED ? VIEW_NEW_AND_OLD_IMAGES : 0,
		.retention = { .age_ms = DAY_MS },
	};
	const struct table_row *row;
	int err = tide_describe_table(db, &orders, &row, &failure);

	if (err == ERR_NOT_FOUND)
		err = tide_create_table(db, &spec, &failure);
	else if (!err && spec.view && !row->stream)
		err = tide_enable_stream(db, spec.name, spec.view, &spec.retention, &failure);
	must(err, "table");
}

static void open_db(const char *path, enum level level, enum use use)
{
	bool is_writer = use == USE_BARE || use == USE_CAPTURED;
	struct tide_options options = {
		.path = path_of(path, "data.tide"),
		.read_only = !is_writer,
		.create = is_writer,
		.durability = durability[level],
	};

	must(tide_open(&db, &options, &failure), path);
	must(tide_table_named(&orders, slice_of_text("orders"), &failure), path);
	if (is_writer)
		make_table(use);
}

static void close_db(void)
{
	tide_feed_finish(feed);
	feed = NULL;
	builder_release(&builder);
	buffer_release(&found);
	tide_close(db);
}

/* --- items --- */

static void build_field(const struct image_field *field, const struct image *image)
{
	const char *at = (const char *)image + field->at;
	struct number number;
	int err = 0;

	builder_name(&builder, slice_of(field->name, field->name_len));
	switch (field->type) {
	case FIELD_STRING:
		builder_string(&builder, slice_of(at, field->len));
		return;
	case FIELD_INTEGER:
		number_from_integer(&number, *(const int64_t *)(const void *)at);
		break;
	case FIELD_DOUBLE:
		err = number_from_double(&number, *(const double *)(const void *)at);
		break;
	}
	if (err)
		die(field->name, error_text(err));
	builder_number(&builder, number_slice(&number));
}

/* Returns the built bytes, which must have the length that the bench assumes. */
static void take_built(uint8_t *to, size_t len)
{
	struct slice built;
	int err = builder_finish(&builder, &built);

	if (err || built.len != len)
		die("item", err ? error_text(err) : "it has another length");
	memcpy(to, built.data, len);
}

/* A put takes the key from the item. */
static void write_item(struct order *order, const struct image *image)
{
	builder_start(&builder);
	for (int i = 0; i < IMAGE_FIELDS; i++)
		build_field(&image_fields[i], image);
	take_built(order->item, ORDER_ITEM);
}

static void write_key(struct order *order, const struct image *image)
{
	builder_start(&builder);
	build_field(image_field("customer", 8), image);
	build_field(image_field("placed_at", 9), image);
	take_built(order->key, ORDER_KEY_MAX);
}

static bool read_field(struct image *image, const struct image_field *field,
	const struct value *value)
{
	char *at = (char *)image + field->at;

	switch (field->type) {
	case FIELD_STRING:
		if (value->type != TYPE_S || value->bytes.len != field->len)
			return false;
		memcpy(at, value->bytes.data, field->len);
		at[field->len] = 0;
		return true;
	case FIELD_INTEGER:
		return value->type == TYPE_N &&
			number_to_integer(value->bytes, (int64_t *)(void *)at);
	case FIELD_DOUBLE:
		return value->type == TYPE_N &&
			number_to_double(value->bytes, (double *)(void *)at);
	}
	return false;
}

static bool read_item(struct image *image, const uint8_t *item, size_t len)
{
	const struct image_field *field;
	struct map_walk walk;
	struct slice name;
	struct value value;
	int err = map_start(&walk, slice_of(item, len));

	while (!err && (err = map_next(&walk, &name, &value)) == 0) {
		field = image_field(name.data, name.len);
		if (!field || !read_field(image, field, &value))
			return false;
	}
	return err == END;
}

/* --- writing --- */

static void begin(uint64_t puts)
{
	(void)puts;
	must(tide_begin(db, &failure), "begin");
}

static void put(const struct order *order)
{
	struct tide_change change;

	must(tide_put(db, &orders, slice_of(order->item, ORDER_ITEM), &change, &failure), "put");
}

static void commit(void)
{
	must(tide_commit(db, &failure), "commit");
}

static void flush(void)
{
	must(tide_sync(db, &failure), "flush");
}

static uint32_t stream_id(void)
{
	uint32_t stream;

	must(tide_stream_of(db, slice_of(orders.name, orders.len), slice_of(NULL, 0), &stream,
		&failure), "stream");
	return stream;
}

static uint64_t count_changes(uint32_t stream)
{
	struct tide_stream_state state;

	must(tide_describe_stream(db, stream, &state, &failure), "stream");
	return state.count;
}

/* Setting a retention is a write, which trims too: those records are counted. */
static uint64_t trim(uint64_t stay)
{
	struct retention retention = { .age_ms = DAY_MS, .max_count = stay };
	uint32_t stream = stream_id();
	struct tide_swept swept = { 0 };
	uint64_t before = count_changes(stream);
	bool more = true;

	must(tide_set_retention(db, stream, &retention, &failure), "retention");
	while (more)
		must(tide_sweep(db, &swept, &more, &failure), "trim");
	return before - count_changes(stream);
}

/* --- reading --- */

static bool get(const uint8_t *key, uint8_t *item)
{
	uint64_t sequence;
	int err = tide_get(db, &orders, slice_of(key, ORDER_KEY_MAX), &found, &sequence,
		&failure);

	if (err == END)
		return false;
	must(err, "get");
	if (found.len == ORDER_ITEM)
		memcpy(item, found.data, ORDER_ITEM);
	return found.len == ORDER_ITEM;
}

static void start(bool behind_last)
{
	tide_feed_finish(feed);
	must(tide_feed_start(&feed, db, stream_id(), behind_last ? TIDE_LATEST : TIDE_TRIM_HORIZON,
		0, &failure), "feed");
}

static bool next(struct change *change)
{
	struct record record;
	struct slice bytes;
	uint32_t stream;

	while (tide_feed_next(feed, &stream, &bytes) == END) {
		if (!tide_feed_has_news(feed, db))
			return false;
		must(tide_feed_fill(feed, db, PAGE, &failure), "fill");
	}
	if (record_get(&record, bytes))
		die("record", error_text(ERR_CORRUPT));
	change->old_image = record.old_image.data;
	change->old_len = record.old_image.len;
	change->new_image = record.new_image.data;
	change->new_len = record.new_image.len;
	return true;
}

static void wait(bool busy)
{
	while (busy && !tide_feed_has_news(feed, db))
		;
	if (!tide_feed_has_news(feed, db))
		tide_feed_wait(feed, db, WAIT_MS);
}

const struct peer peer = {
	.name = "tidetable",
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.write = write_item,
	.write_key = write_key,
	.read = read_item,
	.begin = begin,
	.put = put,
	.commit = commit,
	.flush = flush,
	.get = get,
	.start = start,
	.next = next,
	.wait = wait,
	.trim = trim,
};
