/* json_reader.c - parses an item from JSON into its encoding, by recursive descent.
 *
 * The functions that read a value return the address after it, NULL if it is refused. The builder
 * limits the depth of the recursion: every level of a map or list is opened in it first.
 */
#include "codec/json_reader.h"

#include <assert.h>

#include "base/error.h"
#include "codec/base64.h"

#define NUMBER_SHOWN 60          /* bytes of an invalid number that a message shows */

/* --- refusing --- */

/* Appends the path of the current value. */
static void put_path(struct json_reader *reader)
{
	struct buffer *path = &reader->path;
	struct slice name;

	for (unsigned i = 0; i < reader->depth; i++) {
		const struct json_step *step = &reader->steps[i];

		if (!step->name) {
			buffer_put_u8(path, '[');
			json_put_integer(path, (int64_t)step->index);
			buffer_put_u8(path, ']');
			continue;
		}
		if (path->len > 0)
			buffer_put_u8(path, '.');
		if (json_string(step->name, reader->end, &reader->scratch, &name))
			buffer_put_slice(path, name);
	}
}

/* Starts a fault at `at`. Returns the buffer to which the reason is appended. */
static struct buffer *refuse(struct json_reader *reader, const uint8_t *at,
	enum json_defect defect)
{
	reader->defect = defect;
	reader->fault.at = (size_t)(at - reader->start);
	put_path(reader);
	return &reader->fault.reason;
}

/* The following functions return NULL, and set the fault in the second pass. */
static const uint8_t *misfit(struct json_reader *reader, const uint8_t *at, const char *reason)
{
	if (reader->is_exact)
		json_put_text(refuse(reader, at, JSON_MISFIT), reason);
	return NULL;
}

static const uint8_t *invalid(struct json_reader *reader, const uint8_t *at, const char *reason)
{
	if (reader->is_exact)
		json_put_text(refuse(reader, at, JSON_INVALID), reason);
	return NULL;
}

static const char *kind_at(const uint8_t *at)
{
	switch (*at) {
	case '"': return "a string";
	case '[': return "an array";
	case '{': return "an object";
	case 't': case 'f': return "true or false";
	case 'n': return "null";
	default: return "a number";
	}
}

static const uint8_t *unexpected(struct json_reader *reader, const uint8_t *at,
	const char *expected)
{
	struct buffer *reason;

	if (!reader->is_exact)
		return NULL;
	reason = refuse(reader, at, JSON_MISFIT);
	json_put_text(reason, "expected ");
	json_put_text(reason, expected);
	json_put_text(reason, ", got ");
	json_put_text(reason, kind_at(at));
	return NULL;
}

/* Refuses the current value for an error of the builder. An item that is too big is not the fault
 * of one attribute. */
static const uint8_t *refuse_limit(struct json_reader *reader, const uint8_t *at)
{
	if (builder_error(&reader->builder) == ERR_ITEM_TOO_BIG)
		reader->depth = 0;
	return invalid(reader, at, error_text(builder_error(&reader->builder)));
}

/* --- tokens --- */

static inline bool is_at(const struct json_reader *reader, const uint8_t *at, char c)
{
	return at < reader->end && *at == (uint8_t)c;
}

static inline const uint8_t *skip_space(const struct json_reader *reader, const uint8_t *at)
{
	return json_skip_space(at, reader->end);
}

/* Returns the address of the value after the name that ends at `at`. */
static const uint8_t *skip_colon(const struct json_reader *reader, const uint8_t *at)
{
	at = skip_space(reader, at);
	return is_at(reader, at, ':') ? skip_space(reader, at + 1) : NULL;
}

/* Reads a string at `at`; refuses other values. */
static const uint8_t *take_string(struct json_reader *reader, const uint8_t *at,
	struct slice *string)
{
	if (!is_at(reader, at, '"'))
		return unexpected(reader, at, "a string");
	return json_string(at, reader->end, &reader->scratch, string);
}

/* --- scalars --- */

static const uint8_t *read_string(struct json_reader *reader, const uint8_t *at)
{
	struct slice string;

	at = take_string(reader, at, &string);
	if (at)
		builder_string(&reader->builder, string);
	return at;
}

/* Refuses a string that is not a number, with the beginning of its text, cut between characters. */
static const uint8_t *refuse_number(struct json_reader *reader, const uint8_t *at,
	struct slice text, int err)
{
	struct buffer *reason;
	const uint8_t *zero;

	if (!reader->is_exact)
		return NULL;
	/* the path uses the same scratch buffer as the text */
	reason = &reader->fault.reason;
	json_put_text(reason, error_text(err));
	if (err == ERR_NUMBER_SYNTAX && text.len > 0) {
		if (text.len > NUMBER_SHOWN) {
			text.len = NUMBER_SHOWN;
			while (text.len > 0 && (text.data[text.len] & 0xc0) == 0x80)
				text.len--;
		}
		zero = memchr(text.data, 0, text.len);
		if (zero)
			text.len = (size_t)(zero - text.data);
		json_put_text(reason, ": ");
		buffer_put_slice(reason, text);
	}
	refuse(reader, at, JSON_INVALID);
	return NULL;
}

/* Refuses a number where a number in a string is expected. */
static const uint8_t *refuse_bare_number(struct json_reader *reader, const uint8_t *at)
{
	struct number number;
	struct buffer *reason;

	if (!reader->is_exact || !json_number(at, reader->end, &number))
		return NULL;
	reason = refuse(reader, at, JSON_MISFIT);
	json_put_text(reason, "expected a number in a string: \"");
	json_put_number(reason, number_slice(&number));
	buffer_put_u8(reason, '"');
	return NULL;
}

static inline bool is_number(const struct json_reader *reader, const uint8_t *at)
{
	return at < reader->end && (*at == '-' || (*at >= '0' && *at <= '9'));
}

/* Reads a number in a string. */
static const uint8_t *read_number_text(struct json_reader *reader, const uint8_t *at)
{
	const uint8_t *after;
	struct number number;
	struct slice text;
	int err;

	if (is_number(reader, at))
		return refuse_bare_number(reader, at);
	after = take_string(reader, at, &text);
	if (!after)
		return NULL;
	err = json_parse_number(&number, text);
	if (err)
		return refuse_number(reader, at, text, err);
	builder_number(&reader->builder, number_slice(&number));
	return after;
}

static const uint8_t *read_number(struct json_reader *reader, const uint8_t *at)
{
	struct number number;

	if (!is_number(reader, at))
		return unexpected(reader, at, "a number");
	at = json_number(at, reader->end, &number);
	if (at)
		builder_number(&reader->builder, number_slice(&number));
	return at;
}

static const uint8_t *read_binary(struct json_reader *reader, const uint8_t *at)
{
	struct buffer *scratch = &reader->scratch;
	const uint8_t *after;
	struct slice text;
	size_t len;
	uint8_t *to;

	after = take_string(reader, at, &text);
	if (!after)
		return NULL;
	/* A text with escapes is in the scratch buffer already; it is decoded in place. */
	if (text.data != scratch->data) {
		buffer_clear(scratch);
		to = buffer_reserve(scratch, text.len);
		if (!to)
			return NULL;
	}
	if (!base64_decode(scratch->data, text, &len))
		return misfit(reader, at, "invalid base64 (padding is required)");
	builder_binary(&reader->builder, slice_of(scratch->data, len));
	return after;
}

/* Reads a word whose first letter is at `at`. */
static const uint8_t *take_word(const struct json_reader *reader, const uint8_t *at,
	const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(reader->end - at) < len || memcmp(at, word, len) != 0)
		return NULL;
	return at + len;
}

static const uint8_t *take_bool(struct json_reader *reader, const uint8_t *at, bool *b)
{
	*b = is_at(reader, at, 't');
	if (*b || is_at(reader, at, 'f'))
		return take_word(reader, at, *b ? "true" : "false");
	return unexpected(reader, at, "true or false");
}

static const uint8_t *read_bool(struct json_reader *reader, const uint8_t *at)
{
	bool b;

	at = take_bool(reader, at, &b);
	if (at)
		builder_bool(&reader->builder, b);
	return at;
}

/* Reads the value of NULL, which is true. */
static const uint8_t *read_null_text(struct json_reader *reader, const uint8_t *at)
{
	const uint8_t *after;
	bool b;

	after = take_bool(reader, at, &b);
	if (!after)
		return NULL;
	if (!b)
		return invalid(reader, at, "One or more parameter values were invalid: "
			"Null attribute value types must have the value of true");
	builder_null(&reader->builder);
	return after;
}

/* --- containers --- */

typedef const uint8_t *(*read_function)(struct json_reader *reader, const uint8_t *at);

static const uint8_t *read_value(struct json_reader *reader, const uint8_t *at);

/* Moves after a member of a container: to the next member, or after the closing bracket, and sets
 * *ends. Returns NULL if neither a comma nor the bracket follows. */
static const uint8_t *after_member(const struct json_reader *reader, const uint8_t *at,
	char closing, bool *ends)
{
	at = skip_space(reader, at);
	*ends = is_at(reader, at, closing);
	if (*ends)
		return at + 1;
	return is_at(reader, at, ',') ? skip_space(reader, at + 1) : NULL;
}

/* Reads the members of the array at `at` into the list or set that is open. */
static const uint8_t *read_members(struct json_reader *reader, const uint8_t *at,
	read_function read_member)
{
	struct json_step *step = &reader->steps[reader->depth++];
	bool ends;

	step->name = NULL;
	step->index = 0;
	at = skip_space(reader, at + 1);
	if (is_at(reader, at, ']')) {
		reader->depth--;
		return at + 1;
	}
	for (;;) {
		const uint8_t *first = at;

		step->index++;
		at = read_member(reader, at);
		if (!at)
			return NULL;
		if (builder_error(&reader->builder))
			return refuse_limit(reader, first);
		at = after_member(reader, at, ']', &ends);
		if (!at)
			return NULL;
		if (ends)
			break;
	}
	reader->depth--;
	return at;
}

/* Reads the attributes of the object at `at` into the map that is open. */
static const uint8_t *read_attributes(struct json_reader *reader, const uint8_t *at)
{
	struct json_step *step = &reader->steps[reader->depth];
	struct slice name;
	bool ends;

	at = skip_space(reader, at + 1);
	if (is_at(reader, at, '}'))
		return at + 1;
	reader->depth++;
	for (;;) {
		const uint8_t *first = at;

		if (!is_at(reader, at, '"'))
			return NULL;
		step->name = at;
		at = json_string(at, reader->end, &reader->scratch, &name);
		if (!at)
			return NULL;
		builder_name(&reader->builder, name);
		if (builder_error(&reader->builder))
			return refuse_limit(reader, first);
		at = skip_colon(reader, at);
		at = at ? read_value(reader, at) : NULL;
		if (!at)
			return NULL;
		if (builder_error(&reader->builder))
			return refuse_limit(reader, first);
		at = after_member(reader, at, '}', &ends);
		if (!at)
			return NULL;
		if (ends)
			break;
	}
	reader->depth--;
	return at;
}

/* Opens a container whose text is at `at`. Returns false if it is refused. */
static bool open_container(struct json_reader *reader, const uint8_t *at, enum type type)
{
	builder_open(&reader->builder, type);
	if (builder_error(&reader->builder)) {
		refuse_limit(reader, at);
		return false;
	}
	return true;
}

/* Reads a list, or the value of L. */
static const uint8_t *read_list(struct json_reader *reader, const uint8_t *at)
{
	if (!is_at(reader, at, '['))
		return unexpected(reader, at, "an array");
	if (!open_container(reader, at, TYPE_L))
		return NULL;
	at = read_members(reader, at, read_value);
	if (at)
		builder_close(&reader->builder);
	return at;
}

/* Reads a map whose names are not changed: the value of M, or a plain object. */
static const uint8_t *read_map(struct json_reader *reader, const uint8_t *at)
{
	if (!is_at(reader, at, '{'))
		return unexpected(reader, at, "an object");
	if (!open_container(reader, at, TYPE_M))
		return NULL;
	at = read_attributes(reader, at);
	if (at)
		builder_close(&reader->builder);
	return at;
}

/* Appends the strings of an array, separated by commas. */
static void put_strings(struct json_reader *reader, struct buffer *out, const uint8_t *at)
{
	struct slice string;

	at = skip_space(reader, at + 1);
	for (bool more = false; is_at(reader, at, '"'); more = true) {
		if (more)
			json_put_text(out, ", ");
		at = json_string(at, reader->end, &reader->scratch, &string);
		if (!at)
			return;
		buffer_put_slice(out, string);
		at = skip_space(reader, at);
		at = skip_space(reader, at + is_at(reader, at, ','));
	}
}

/* Refuses a set that has no member, or a member twice, with DynamoDB's texts. */
static const uint8_t *refuse_set(struct json_reader *reader, const uint8_t *at, enum type type)
{
	int err = builder_error(&reader->builder);
	struct buffer *reason;

	if (!reader->is_exact)
		return NULL;
	if (err == ERR_EMPTY_SET)
		return invalid(reader, at, type == TYPE_SS ? "One or more parameter values were "
			"invalid: An string set  may not be empty" : type == TYPE_NS ?
			"One or more parameter values were invalid: An number set  may not be empty" :
			"One or more parameter values were invalid: Binary sets should not be empty");
	if (err != ERR_DUPLICATE_MEMBER || type == TYPE_NS)
		return refuse_limit(reader, at);
	reason = refuse(reader, at, JSON_INVALID);
	json_put_text(reason, "One or more parameter values were invalid: Input collection [");
	put_strings(reader, reason, at);
	json_put_text(reason, type == TYPE_BS ? "]of type BS contains duplicates." :
		"] contains duplicates.");
	return NULL;
}

static const uint8_t *read_set(struct json_reader *reader, const uint8_t *at, enum type type,
	read_function read_member)
{
	const uint8_t *first = at;

	if (!is_at(reader, at, '['))
		return unexpected(reader, at, "an array");
	if (!open_container(reader, at, type))
		return NULL;
	at = read_members(reader, at, read_member);
	if (!at)
		return NULL;
	builder_close(&reader->builder);
	return builder_error(&reader->builder) ? refuse_set(reader, first, type) : at;
}

/* --- typed values --- */

/* Returns the type with DynamoDB's name for it, 0 if there is none. */
static enum type type_named(struct slice name)
{
	char a = (char)(name.len > 0 ? name.data[0] : 0);
	char b = (char)(name.len > 1 ? name.data[1] : 0);

	switch (name.len) {
	case 1:
		return a == 'S' ? TYPE_S : a == 'N' ? TYPE_N : a == 'B' ? TYPE_B :
			a == 'M' ? TYPE_M : a == 'L' ? TYPE_L : 0;
	case 2:
		return b != 'S' ? 0 : a == 'S' ? TYPE_SS : a == 'N' ? TYPE_NS :
			a == 'B' ? TYPE_BS : 0;
	case 4:
		return memcmp(name.data, "BOOL", 4) == 0 ? TYPE_TRUE :
			memcmp(name.data, "NULL", 4) == 0 ? TYPE_NULL : 0;
	default:
		return 0;
	}
}

static const uint8_t *read_as(struct json_reader *reader, const uint8_t *at, enum type type)
{
	switch (type) {
	case TYPE_S: return read_string(reader, at);
	case TYPE_N: return read_number_text(reader, at);
	case TYPE_B: return read_binary(reader, at);
	case TYPE_TRUE: return read_bool(reader, at);
	case TYPE_NULL: return read_null_text(reader, at);
	case TYPE_M: return read_map(reader, at);
	case TYPE_L: return read_list(reader, at);
	case TYPE_SS: return read_set(reader, at, type, read_string);
	case TYPE_NS: return read_set(reader, at, type, reader->form == JSON_PLAIN ?
		read_number : read_number_text);
	case TYPE_BS: return read_set(reader, at, type, read_binary);
	default: return NULL;
	}
}

/* Returns true if the name that ends at `at` is the only one of its object. */
static bool is_only_name(const struct json_reader *reader, const uint8_t *at)
{
	at = skip_colon(reader, at);
	at = at ? json_value_end(at, reader->end) : NULL;
	return at && is_at(reader, skip_space(reader, at), '}');
}

static const uint8_t *refuse_type(struct json_reader *reader, const uint8_t *at,
	struct slice name)
{
	struct buffer *reason = &reader->fault.reason;

	if (!reader->is_exact)
		return NULL;
	/* the path uses the same scratch buffer as the name */
	json_put_text(reason, "unknown type ");
	json_put_quoted(reason, name);
	refuse(reader, at, JSON_MISFIT);
	return NULL;
}

/* Reads an object whose only name is the type of the value. */
static const uint8_t *read_typed(struct json_reader *reader, const uint8_t *at)
{
	const uint8_t *first = at;
	struct slice name;
	enum type type;

	if (!is_at(reader, at, '{'))
		return unexpected(reader, at,
			"an object that names the type, such as {\"S\":\"...\"}");
	at = skip_space(reader, at + 1);
	if (is_at(reader, at, '}'))
		return invalid(reader, first, "Supplied AttributeValue is empty, must contain "
			"exactly one of the supported datatypes");
	if (!is_at(reader, at, '"'))
		return NULL;
	at = json_string(at, reader->end, &reader->scratch, &name);
	if (!at)
		return NULL;
	if (reader->is_exact && !is_only_name(reader, at))
		return invalid(reader, first, "Supplied AttributeValue has more than one datatypes "
			"set, must contain exactly one of the supported datatypes");
	type = type_named(name);
	if (!type)
		return refuse_type(reader, first, name);
	at = skip_colon(reader, at);
	at = at ? read_as(reader, at, type) : NULL;
	if (!at)
		return NULL;
	at = skip_space(reader, at);
	return is_at(reader, at, '}') ? at + 1 : NULL;
}

/* --- plain values --- */

/* Reads the name of the object at `at` if it is its only name, and a mark. Returns the address
 * after it, NULL for any other object. */
static const uint8_t *take_mark(struct json_reader *reader, const uint8_t *at, struct slice *name)
{
	at = skip_space(reader, at + 1);
	if (reader->end - at < 2 || at[0] != '"' || (at[1] != '$' && at[1] != '\\'))
		return NULL;
	at = json_string(at, reader->end, &reader->scratch, name);
	return at && json_is_mark(*name) && is_only_name(reader, at) ? at : NULL;
}

/* Reads a map whose only name is a mark with another $ before it, which is removed. */
static const uint8_t *read_disguised(struct json_reader *reader, const uint8_t *first,
	const uint8_t *at, struct slice name)
{
	struct json_step *step = &reader->steps[reader->depth];

	if (!open_container(reader, first, TYPE_M))
		return NULL;
	builder_name(&reader->builder, slice_of(name.data + 1, name.len - 1));
	step->name = skip_space(reader, first + 1);
	reader->depth++;
	at = read_value(reader, at);
	if (!at)
		return NULL;
	if (builder_error(&reader->builder))
		return refuse_limit(reader, first);
	reader->depth--;
	builder_close(&reader->builder);
	return at;
}

static const uint8_t *read_object(struct json_reader *reader, const uint8_t *first)
{
	const uint8_t *at;
	struct slice name;

	at = take_mark(reader, first, &name);
	if (!at)
		return read_map(reader, first);
	at = skip_colon(reader, at);
	if (at && name.data[1] != '$')
		at = read_as(reader, at, type_named(slice_of(name.data + 1, name.len - 1)));
	else if (at)
		at = read_disguised(reader, first, at, name);
	if (!at)
		return NULL;
	at = skip_space(reader, at);
	return is_at(reader, at, '}') ? at + 1 : NULL;
}

static const uint8_t *read_plain(struct json_reader *reader, const uint8_t *at)
{
	if (at == reader->end)
		return NULL;
	switch (*at) {
	case '"':
		return read_string(reader, at);
	case '{':
		return read_object(reader, at);
	case '[':
		return read_list(reader, at);
	case 't':
	case 'f':
		return read_bool(reader, at);
	case 'n':
		at = take_word(reader, at, "null");
		if (at)
			builder_null(&reader->builder);
		return at;
	default:
		return is_number(reader, at) ? read_number(reader, at) : NULL;
	}
}

static const uint8_t *read_value(struct json_reader *reader, const uint8_t *at)
{
	return reader->form == JSON_PLAIN ? read_plain(reader, at) : read_typed(reader, at);
}

/* --- the item --- */

/* Reads the item at `at`. Returns the address of the next byte that is not whitespace; NULL if the
 * item is refused, or if other text follows and `is_whole`. */
static const uint8_t *read_once(struct json_reader *reader, const uint8_t *at, bool is_whole,
	struct slice *item)
{
	builder_start(&reader->builder);
	reader->depth = 0;
	buffer_clear(&reader->scratch);
	at = skip_space(reader, at);
	if (!is_at(reader, at, '{'))
		return unexpected(reader, at, "an object");
	at = read_attributes(reader, at);
	if (!at)
		return NULL;
	at = skip_space(reader, at);
	if ((is_whole && at < reader->end) || builder_finish(&reader->builder, item))
		return NULL;
	return at;
}

/* Returns the error of a pass that refused the text. */
static int refused(const struct json_reader *reader)
{
	int err = reader->scratch.err ? reader->scratch.err : reader->path.err;

	if (!err)
		err = reader->fault.reason.err;
	if (!err && builder_error(&reader->builder) == ERR_NO_MEMORY)
		err = ERR_NO_MEMORY;
	return err;
}

static int describe(struct json_reader *reader, struct slice text, size_t at, bool is_whole,
	struct slice *item)
{
	size_t after;
	int err = refused(reader);

	if (err)
		return err;
	reader->defect = JSON_MALFORMED;
	err = json_check(text, at, is_whole ? NULL : &after, &reader->fault);
	if (err)
		return err;
	reader->is_exact = true;
	read_once(reader, text.data + at, is_whole, item);
	err = refused(reader);
	assert(err || reader->fault.reason.len > 0);
	return err ? err : ERR_VALIDATION;
}

int json_read_item(struct json_reader *reader, struct slice text, size_t at, size_t *end,
	enum json_form form, struct slice *item)
{
	const uint8_t *after = NULL;

	buffer_clear(&reader->fault.reason);
	buffer_clear(&reader->path);
	buffer_clear(&reader->scratch);
	reader->form = form;
	reader->start = text.data;
	reader->end = text.data + text.len;
	reader->is_exact = false;
	if (text.len <= JSON_TEXT_MAX)
		after = read_once(reader, text.data + at, !end, item);
	if (!after)
		return describe(reader, text, at, !end, item);
	if (end)
		*end = (size_t)(after - text.data);
	return 0;
}

void json_reader_release(struct json_reader *reader)
{
	builder_release(&reader->builder);
	buffer_release(&reader->scratch);
	buffer_release(&reader->fault.reason);
	buffer_release(&reader->path);
	*reader = (struct json_reader){ 0 };
}
