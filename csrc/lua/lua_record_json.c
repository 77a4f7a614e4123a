/* lua_record_json.c - stream records as JSON for Lua. */
#include "lua/lua_record.h"

#include <lauxlib.h>

#include "lua/lua_argument.h"
#include "lua/lua_definition.h"
#include "lua/lua_failure.h"
#include "lua/lua_field.h"
#include "lua/lua_json.h"
#include "lua/lua_projection.h"

struct record_writer {
	struct buffer *out;
	enum json_form form;
	const struct record *record;
	struct table_change change;  /* if the record is that of a table; otherwise zeroed */
	struct annotation annotation;
	struct slice keys, old_image, new_image;     /* the images as projected */
	struct json_names names;     /* names that come first in each object */
	struct slice table_name, stream_label, view_type;    /* of the stream */
	uint32_t table_id;
	struct slice incarnation, region, account;   /* of the typed form; without an account there
	                                              * is no eventSourceARN */
};

/* A member of an object that describes a record. put writes its value; it writes nothing if the
 * record has no such member. */
struct member {
	const char *name;
	void (*put)(struct record_writer *writer);
};

static void put_member(struct record_writer *writer, const struct member *member, bool *more)
{
	struct buffer *out = writer->out;
	size_t start = out->len, value;

	if (*more)
		buffer_put_u8(out, ',');
	json_put_string(out, slice_of_text(member->name));
	buffer_put_u8(out, ':');
	value = out->len;
	member->put(writer);
	if (out->len == value)
		out->len = start;
	else
		*more = true;
}

/* Writes an object. The members are in ascending order of their names. */
static void put_members(struct record_writer *writer, const struct member *members, size_t count)
{
	const struct json_order *first = &writer->names.order;
	bool more = false;

	buffer_put_u8(writer->out, '{');
	for (size_t i = 0; i < first->count; i++)
		for (size_t j = 0; j < count; j++)
			if (slice_equal(first->names[i], slice_of_text(members[j].name)))
				put_member(writer, &members[j], &more);
	for (size_t j = 0; j < count; j++)
		if (!json_order_has(first, slice_of_text(members[j].name)))
			put_member(writer, &members[j], &more);
	buffer_put_u8(writer->out, '}');
}

#define PUT_MEMBERS(writer, members) \
	put_members(writer, members, sizeof (members) / sizeof *(members))

static void put_image(struct record_writer *writer, struct slice image)
{
	if (image.len > 0)
		json_put_item(writer->out, image, writer->form, &writer->names.order);
}

static void put_keys(struct record_writer *w) { put_image(w, w->keys); }
static void put_context(struct record_writer *w) { put_image(w, w->annotation.context); }
static void put_old(struct record_writer *w) { put_image(w, w->old_image); }
static void put_new(struct record_writer *w) { put_image(w, w->new_image); }
static void put_table(struct record_writer *w) { json_put_string(w->out, w->table_name); }
static void put_region(struct record_writer *w) { json_put_string(w->out, w->region); }
static void put_version(struct record_writer *w) { json_put_text(w->out, "\"1.1\""); }
static void put_source(struct record_writer *w) { json_put_text(w->out, "\"aws:dynamodb\""); }
static void put_service(struct record_writer *w) { json_put_text(w->out, "\"Service\""); }

static void put_label(struct record_writer *w)
{
	if (w->stream_label.len)
		json_put_string(w->out, w->stream_label);
}

static void put_view(struct record_writer *w)
{
	if (w->view_type.len)
		json_put_string(w->out, w->view_type);
}

static void put_principal(struct record_writer *w)
{
	json_put_text(w->out, "\"dynamodb.amazonaws.com\"");
}

static void put_integer(struct record_writer *w, uint64_t n)
{
	json_put_integer(w->out, (int64_t)n);
}

static void put_sequence(struct record_writer *w) { put_integer(w, w->record->sequence); }
static void put_seconds(struct record_writer *w) { put_integer(w, w->record->created_ms / 1000); }

static void put_origin(struct record_writer *w)
{
	if (w->annotation.origin.len)
		json_put_string(w->out, w->annotation.origin);
}

static void put_hex_string(struct record_writer *w, const char *name, const uint8_t *id)
{
	char text[2 * DATABASE_ID_BYTES];

	put_hex(text, id, DATABASE_ID_BYTES);
	json_put_text(w->out, name);
	json_put_string(w->out, slice_of((const uint8_t *)text, sizeof text));
}

/* Writes where a replicated change was made. */
static void put_change_source(struct record_writer *w)
{
	const struct change_source *source = &w->annotation.source;
	const struct record *record = w->record;

	if (!source->path.len)
		return;
	put_hex_string(w, "{\"database\":", source->path.data);
	put_hex_string(w, ",\"incarnation\":", source->incarnation);
	if (source->sequence) {
		json_put_text(w->out, ",\"sequence_number\":");
		put_integer(w, source->sequence + (record->sequence - record->transaction));
	}
	buffer_put_u8(w->out, '}');
}

static void put_depth(struct record_writer *w) { put_integer(w, w->annotation.depth); }

static bool is_snapshot(const struct record_writer *w)
{
	return w->record->origin == ORIGIN_SNAPSHOT;
}

/* Writes a number of the record's transaction, which is not known of an item's last change. */
static void put_of_transaction(struct record_writer *w, uint64_t n)
{
	if (!is_snapshot(w))
		put_integer(w, n);
}

static void put_count(struct record_writer *w) { put_of_transaction(w, w->record->count); }
static void put_id(struct record_writer *w) { put_of_transaction(w, w->record->transaction); }

static void put_position(struct record_writer *w)
{
	put_of_transaction(w, (uint64_t)w->record->position + 1);
}

static void put_snapshot(struct record_writer *w)
{
	if (is_snapshot(w))
		json_put_text(w->out, "true");
}

static void put_record_size(struct record_writer *w)
{
	put_integer(w, record_size(w->record, w->keys));
}

/* Writes the name of the stream as an ARN. Labels and names need no escapes. */
static void put_arn(struct record_writer *w)
{
	if (!w->account.len)
		return;
	json_put_text(w->out, "\"arn:aws:dynamodb:");
	buffer_put_slice(w->out, w->region);
	buffer_put_u8(w->out, ':');
	buffer_put_slice(w->out, w->account);
	json_put_text(w->out, ":table/");
	buffer_put_slice(w->out, w->table_name);
	json_put_text(w->out, "/stream/");
	buffer_put_slice(w->out, w->stream_label);
	buffer_put_u8(w->out, '"');
}

static void put_event(struct record_writer *w)
{
	json_put_string(w->out, slice_of_text(w->change.event ?
		table_event_name(w->change.event) : event_name(w->record->event)));
}

static void put_hash(struct record_writer *w)
{
	if (!w->change.event)
		put_integer(w, w->record->partition_hash);
}

static void put_table_id(struct record_writer *w) { put_integer(w, w->table_id); }

static void put_definition(struct record_writer *w)
{
	if (w->change.event)
		json_put_definition(w->out, w->change.name, w->change.definition);
}

static void put_old_definition(struct record_writer *w)
{
	if (w->change.old_definition.len)
		json_put_definition(w->out, w->change.name, w->change.old_definition);
}

/* Writes the time in seconds, as the Lua number that the field is. */
static void put_created(struct record_writer *w)
{
	struct number number;

	if (number_from_double(&number, (double)w->record->created_ms / 1000) == 0)
		json_put_number(w->out, number_slice(&number));
}

static void put_identity(struct record_writer *w)
{
	static const struct member plain[] = {
		{ "principal_id", put_principal }, { "type", put_service },
	};
	static const struct member typed[] = {
		{ "PrincipalId", put_principal }, { "Type", put_service },
	};
	static const struct member of_lambda[] = {
		{ "principalId", put_principal }, { "type", put_service },
	};

	if (w->record->origin == ORIGIN_TIME_TO_LIVE)
		put_members(w, w->form == JSON_PLAIN ? plain :
			w->account.len ? of_lambda : typed, 2);
}

/* Writes the sequence number as DynamoDB's protocol does, with at least 21 digits: a 1, and 20
 * digits. */
static void put_wire_number(struct record_writer *w)
{
	uint64_t n = w->record->sequence;
	uint8_t digits[23];

	digits[0] = digits[22] = '"';
	digits[1] = '1';
	for (int i = 21; i > 1; i--, n /= 10)
		digits[i] = (uint8_t)('0' + n % 10);
	buffer_put(w->out, digits, sizeof digits);
}

/* Writes 16 letters of the incarnation, or zeros, and the sequence number in hexadecimal. */
static void put_event_id(struct record_writer *w)
{
	struct slice begin = w->incarnation;
	uint8_t text[32];

	begin.len = begin.len < 16 ? begin.len : 16;
	slice_write(text, begin);
	for (int i = 0; i < 16; i++)
		text[begin.len + (size_t)i] =
			(uint8_t)"0123456789abcdef"[w->record->sequence >> (60 - 4 * i) & 15];
	json_put_string(w->out, slice_of(text, begin.len + 16));
}

static void put_dynamodb(struct record_writer *w)
{
	static const struct member members[] = {
		{ "ApproximateCreationDateTime", put_seconds }, { "Keys", put_keys },
		{ "NewImage", put_new }, { "OldImage", put_old },
		{ "SequenceNumber", put_wire_number }, { "SizeBytes", put_record_size },
		{ "StreamViewType", put_view },
	};

	PUT_MEMBERS(w, members);
}

static void put_record(struct record_writer *writer)
{
	static const struct member plain[] = {
		{ "context", put_context }, { "created_at", put_created },
		{ "definition", put_definition }, { "depth", put_depth },
		{ "event_name", put_event }, { "is_snapshot", put_snapshot }, { "keys", put_keys },
		{ "new_image", put_new }, { "old_definition", put_old_definition },
		{ "old_image", put_old }, { "origin", put_origin },
		{ "partition_hash", put_hash }, { "sequence_number", put_sequence },
		{ "size_bytes", put_record_size }, { "source", put_change_source },
		{ "stream_label", put_label },
		{ "table_id", put_table_id }, { "table_name", put_table },
		{ "transaction_count", put_count },
		{ "transaction_id", put_id }, { "transaction_position", put_position },
		{ "user_identity", put_identity }, { "view_type", put_view },
	};
	static const struct member typed[] = {
		{ "awsRegion", put_region }, { "dynamodb", put_dynamodb },
		{ "eventID", put_event_id }, { "eventName", put_event },
		{ "eventSource", put_source }, { "eventSourceARN", put_arn },
		{ "eventVersion", put_version }, { "userIdentity", put_identity },
	};

	if (writer->form == JSON_PLAIN)
		PUT_MEMBERS(writer, plain);
	else
		PUT_MEMBERS(writer, typed);
}

/* Sets the names that come first: some fields of a record, then the key attributes. */
static int set_names(struct record_writer *writer)
{
	static const char *const of_item[] = {
		"sequence_number", "event_name", "table_name", "keys", "old_image", "new_image",
		"created_at",
	};
	static const char *const of_table[] = {
		"sequence_number", "event_name", "table_name", "table_id", "old_definition",
		"definition", "created_at",
	};
	const char *const *fields = writer->change.event ? of_table : of_item;
	struct json_names *names = &writer->names;
	struct map_walk walk;
	struct slice name;
	struct value value;
	int err;

	names->order = (struct json_order){ names->names, 0 };
	for (size_t i = 0; i < sizeof of_item / sizeof *of_item; i++)
		add_json_name(names, slice_of_text(fields[i]));
	err = writer->keys.len ? map_start(&walk, writer->keys) : END;
	while (!err && names->order.count < JSON_ORDER_MAX &&
			(err = map_next(&walk, &name, &value)) == 0)
		add_json_name(names, name);
	return err == END ? 0 : err;
}

/* Pushes the text of a field of the stream and returns its bytes. */
static struct slice push_field_text(lua_State *L, const char *name)
{
	push_stream_field(L, name);
	return check_slice(L, -1);
}

/* Sets the fields of the change of a table. */
static void read_change(lua_State *L, struct record_writer *writer)
{
	struct table_definition definition;

	if (writer->form != JSON_PLAIN)
		luaL_error(L, "DynamoDB's JSON has no form for the change of a table");
	decode_table_change(L, writer->record, &writer->change);
	decode_definition(L, writer->change.definition, &definition);
	writer->table_name = writer->change.name;
	writer->table_id = writer->change.table;
	writer->stream_label = definition.label;
	if (definition.stream)
		writer->view_type = slice_of_text(view_name(definition.view));
}

/* Sets the fields of the change of an item, whose record is at 1. Pushes values that keep them
 * valid. */
static void read_item_change(lua_State *L, struct record_writer *writer,
	uint8_t buf[KEY_ATTRIBUTES_MAX])
{
	writer->keys = find_record_keys(L, 1, writer->record, buf);
	writer->table_id = push_table_id(L);
	writer->table_name = push_field_text(L, "table_name");
	writer->stream_label = push_field_text(L, "stream_label");
	writer->view_type = push_field_text(L, "view_type");
	writer->old_image = writer->record->old_image;
	writer->new_image = writer->record->new_image;
}

/* json_record(record, form, incarnation | "", region, account | nil) -> the record as JSON; with an
 * account, the typed form is that of AWS Lambda's events, with the name of the stream. Raises an
 * error for the change of a table in the form "dynamodb". */
int json_record(lua_State *L)
{
	struct record_handle *handle = check_record_handle(L);
	struct record_writer writer = { .form = check_json_form(L, 2) };
	uint8_t buf[KEY_ATTRIBUTES_MAX];
	struct record record;
	int err;

	lua_settop(L, 5);
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	writer.incarnation = lua_rawlen(L, 3) > 0 ? check_slice(L, 3) :
		slice_of_text("0000000000000000");
	writer.region = check_slice(L, 4);
	writer.account = lua_isnil(L, 5) ? slice_of_text("") : check_slice(L, 5);
	decode_record(L, handle, &record);
	decode_annotation(L, &record, &writer.annotation);
	writer.record = &record;
	if (record.event == EVENT_TABLE)
		read_change(L, &writer);
	else
		read_item_change(L, &writer, buf);
	writer.old_image = push_image(L, writer.old_image);
	writer.new_image = push_image(L, writer.new_image);
	writer.out = &new_lua_buffer(L)->bytes;
	err = set_names(&writer);
	if (!err)
		put_record(&writer);
	if (err || buffer_error(writer.out))
		raise_error(L, err ? err : buffer_error(writer.out));
	lua_pushlstring(L, (const char *)writer.out->data, writer.out->len);
	buffer_release(writer.out);
	release_projected(L, -4);
	release_projected(L, -3);
	return 1;
}
