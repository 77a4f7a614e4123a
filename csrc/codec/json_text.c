/* json_text.c - tokens of JSON texts, and a recursive descent parser that finds their defects. */
#include "codec/json_text.h"

#include "base/error.h"
#include "base/memory.h"
#include "codec/json_writer.h"
#include "codec/value.h"

#define INTEGER_DIGITS 18        /* digits of an integer that fits in 64 bits */
#define WORD_SHOWN 20            /* bytes of a word that a message shows */

/* --- characters --- */

static inline bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_word_byte(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static inline int hexadecimal(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the code of the four digits of an escape \uXXXX at `at`; -1 if there is none. */
static int read_code(const uint8_t *at, const uint8_t *end)
{
	int code = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hexadecimal(at[i]);

		if (digit < 0)
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

/* Reads an escape \uXXXX, or two that are a surrogate pair. Sets *code to the character. Returns
 * the address after it, NULL for anything else. */
static const uint8_t *read_unicode(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
	int high = read_code(at, end), low;

	if (high < 0)
		return NULL;
	*code = (uint32_t)high;
	if (high < 0xd800 || high > 0xdfff)
		return at + 6;
	low = read_code(at + 6, end);
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return NULL;
	*code = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
	return at + 12;
}

/* Returns the character of the escape \ and c, 0 if there is none. */
static uint8_t short_escape(uint8_t c)
{
	switch (c) {
	case '"': case '\\': case '/': return c;
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	default: return 0;
	}
}

/* Reads the escape at `at`. Sets *code to its character. */
static const uint8_t *read_escape(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
	if (end - at < 2)
		return NULL;
	if (at[1] == 'u')
		return read_unicode(at, end, code);
	*code = short_escape(at[1]);
	return *code ? at + 2 : NULL;
}

/* --- strings --- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Returns true if one of 8 bytes may be a quote, a backslash or a control character. A borrow can
 * only report a byte too many. */
static inline bool may_stop(const uint8_t *p)
{
	uint64_t word, quote, backslash;

	memcpy(&word, p, sizeof word);
	quote = word ^ ONES * '"';
	backslash = word ^ ONES * '\\';
	return (((word - ONES * 0x20) & ~word) | ((quote - ONES) & ~quote) |
		((backslash - ONES) & ~backslash)) & HIGHS;
}

/* Returns the address of the next quote, backslash or control character; `end` if there is none. */
static inline const uint8_t *find_stop(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 8 && !may_stop(at))
		at += 8;
	while (at < end && *at != '"' && *at != '\\' && *at >= 0x20)
		at++;
	return at;
}

static void put_character(struct buffer *out, uint32_t code)
{
	if (code < 0x80) {
		buffer_put_u8(out, (uint8_t)code);
		return;
	}
	if (code < 0x800) {
		buffer_put_u8(out, (uint8_t)(0xc0 | code >> 6));
	} else {
		if (code < 0x10000) {
			buffer_put_u8(out, (uint8_t)(0xe0 | code >> 12));
		} else {
			buffer_put_u8(out, (uint8_t)(0xf0 | code >> 18));
			buffer_put_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
		}
		buffer_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
	}
	buffer_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
}

/* Reads the rest of a string whose first escape is at `at`. */
static const uint8_t *read_escaped(const uint8_t *first, const uint8_t *at, const uint8_t *end,
	struct buffer *scratch, struct slice *string)
{
	uint32_t code;

	buffer_clear(scratch);
	for (;;) {
		buffer_put(scratch, first, (size_t)(at - first));
		if (at == end || *at < 0x20 || scratch->err)
			return NULL;
		if (*at == '"')
			break;
		at = read_escape(at, end, &code);
		if (!at)
			return NULL;
		put_character(scratch, code);
		first = at;
		at = find_stop(at, end);
	}
	*string = buffer_slice(scratch);
	return at + 1;
}

const uint8_t *json_string(const uint8_t *at, const uint8_t *end, struct buffer *scratch,
	struct slice *string)
{
	const uint8_t *first = at + 1, *stop = find_stop(first, end);

	if (stop < end && *stop == '"') {
		*string = slice_of(first, (size_t)(stop - first));
		return stop + 1;
	}
	return read_escaped(first, stop, end, scratch, string);
}

/* --- numbers --- */

int json_parse_number(struct number *number, struct slice text)
{
	size_t sign = text.len > 0 && text.data[0] == '-', i;
	int64_t n = 0;

	if (text.len == sign || text.len > INTEGER_DIGITS)
		return number_parse(number, text);
	for (i = sign; i < text.len && is_digit(text.data[i]); i++)
		n = n * 10 + (text.data[i] - '0');
	if (i < text.len)
		return number_parse(number, text);
	number_from_integer(number, sign ? -n : n);
	return 0;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/* Returns the address after the number at `at`. Returns NULL and sets *reason if there is none. */
static const uint8_t *scan_number(const uint8_t *at, const uint8_t *end, const char **reason)
{
	const uint8_t *digits = at + (at < end && *at == '-'), *stop = skip_digits(digits, end);

	*reason = "invalid number";
	if (stop == digits || (*digits == '0' && stop - digits > 1))
		return NULL;
	if (stop < end && *stop == '.') {
		*reason = "invalid number: expected a digit after the point";
		digits = stop + 1;
		stop = skip_digits(digits, end);
		if (stop == digits)
			return NULL;
	}
	if (stop < end && (*stop == 'e' || *stop == 'E')) {
		*reason = "invalid number: expected a digit after the e";
		digits = stop + 1;
		digits += digits < end && (*digits == '+' || *digits == '-');
		stop = skip_digits(digits, end);
		if (stop == digits)
			return NULL;
	}
	return stop;
}

const uint8_t *json_number(const uint8_t *at, const uint8_t *end, struct number *number)
{
	const char *reason;
	const uint8_t *stop = scan_number(at, end, &reason);

	if (!stop || json_parse_number(number, slice_of(at, (size_t)(stop - at))))
		return NULL;
	return stop;
}

/* --- values --- */

/* Returns the address after the string at `at`, NULL if the text ends before. */
static const uint8_t *string_end(const uint8_t *at, const uint8_t *end)
{
	for (at++; (at = find_stop(at, end)) < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && ++at == end)
			break;
	}
	return NULL;
}

const uint8_t *json_value_end(const uint8_t *at, const uint8_t *end)
{
	size_t depth = 0;

	while (at < end) {
		switch (*at) {
		case '"':
			at = string_end(at, end);
			if (!at || depth == 0)
				return at;
			continue;
		case '{': case '[':
			depth++;
			break;
		case '}': case ']':
			if (depth <= 1)
				return at + (depth > 0);
			depth--;
			break;
		case ',': case ' ': case '\n': case '\r': case '\t':
			if (depth == 0)
				return at;
			break;
		default:
			break;
		}
		at++;
	}
	return depth == 0 ? at : NULL;
}

/* --- finding the defect --- */

struct checker {
	const uint8_t *start, *end;
	struct json_fault *fault;
	bool is_refused;
	uint32_t *names;             /* offsets of the names of the open objects */
	size_t count, cap;
	unsigned open;               /* number of open objects */
	size_t firsts[JSON_DEPTH_MAX];       /* index of the first name of each */
};

/* Starts the reason of a fault. Returns the buffer to which the reason is appended. */
static struct buffer *refuse(struct checker *checker, const uint8_t *at)
{
	struct json_fault *fault = checker->fault;

	checker->is_refused = true;
	fault->at = (size_t)(at - checker->start);
	buffer_clear(&fault->reason);
	return &fault->reason;
}

static const uint8_t *refuse_as(struct checker *checker, const uint8_t *at, const char *reason)
{
	json_put_text(refuse(checker, at), reason);
	return NULL;
}

/* Appends a description of the text at `at`. */
static void put_shown(struct buffer *out, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *stop = at;

	if (at == end) {
		json_put_text(out, "the end");
		return;
	}
	while (stop < end && is_word_byte(*stop))
		stop++;
	if (stop > at) {
		bool is_long = stop - at > WORD_SHOWN;

		buffer_put_u8(out, '"');
		buffer_put(out, at, is_long ? WORD_SHOWN : (size_t)(stop - at));
		json_put_text(out, is_long ? "...\"" : "\"");
	} else if (is_control(*at)) {
		json_put_text(out, "a control character (");
		json_put_integer(out, *at);
		buffer_put_u8(out, ')');
	} else {
		for (stop = at + 1; stop < end && (*stop & 0xc0) == 0x80; stop++)
			;
		buffer_put_u8(out, '\'');
		buffer_put(out, at, (size_t)(stop - at));
		buffer_put_u8(out, '\'');
	}
}

/* Refuses the text at `at`: expected one thing, got another. */
static const uint8_t *unexpected(struct checker *checker, const uint8_t *at, const char *expected)
{
	struct buffer *reason = refuse(checker, at);

	json_put_text(reason, "expected ");
	json_put_text(reason, expected);
	json_put_text(reason, ", got ");
	put_shown(reason, at, checker->end);
	return NULL;
}

void json_put_quoted(struct buffer *out, struct slice name)
{
	size_t i;

	buffer_put_u8(out, '"');
	for (i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c == '"' || c == '\\' || c == '\n' || is_control(c))
			buffer_put_u8(out, '\\');
		if (is_control(c) && c != '\n') {
			if (i + 1 < name.len && is_digit(name.data[i + 1]))
				json_put_text(out, c < 10 ? "00" : c < 100 ? "0" : "");
			json_put_integer(out, c);
		} else {
			buffer_put_u8(out, c);
		}
	}
	buffer_put_u8(out, '"');
}

/* --- duplicate names --- */

/* Reads the next character of a valid string at *at; returns -1 at its end. */
static int64_t next_character(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at;
	uint32_t code;
	int more;

	if (*p == '"')
		return -1;
	if (*p == '\\') {
		*at = read_escape(p, end, &code);
		return code;
	}
	more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
	code = more ? *p & (0x3fu >> more) : *p;
	for (p++; more > 0; more--)
		code = code << 6 | (*p++ & 0x3f);
	*at = p;
	return code;
}

/* Orders two names by their characters, equal ones by position. Sets *equal. */
static bool name_precedes(const struct checker *checker, uint32_t a, uint32_t b, bool *equal)
{
	const uint8_t *p = checker->start + a + 1, *q = checker->start + b + 1;
	int64_t one, other;

	do {
		one = next_character(&p, checker->end);
		other = next_character(&q, checker->end);
	} while (one == other && one >= 0);
	*equal = one == other;
	return *equal ? a < b : one < other;
}

static void sift_down(const struct checker *checker, uint32_t *names, size_t at, size_t count)
{
	uint32_t name = names[at];
	bool equal;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count &&
				name_precedes(checker, names[child], names[child + 1], &equal))
			child++;
		if (!name_precedes(checker, name, names[child], &equal))
			break;
		names[at] = names[child];
		at = child;
	}
	names[at] = name;
}

/* Heap sort, which needs no memory and is n log n for any names. */
static void sort_names(const struct checker *checker, uint32_t *names, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(checker, names, i, count);
	for (size_t last = count; last-- > 1;) {
		uint32_t name = names[0];

		names[0] = names[last];
		names[last] = name;
		sift_down(checker, names, 0, last);
	}
}

/* Returns the offset of the first name that repeats one of the same object; UINT32_MAX if none
 * does. */
static uint32_t find_duplicate(const struct checker *checker, size_t first, size_t count)
{
	uint32_t *names, found = UINT32_MAX;
	bool equal;

	if (count < 2)
		return found;
	names = checker->names + first;
	sort_names(checker, names, count);
	for (size_t i = 1; i < count; i++) {
		name_precedes(checker, names[i - 1], names[i], &equal);
		if (equal && names[i] < found)
			found = names[i];
	}
	return found;
}

/* Refuses the first duplicate name of the open objects, which precedes any defect found so far. */
static int refuse_duplicate(struct checker *checker)
{
	struct buffer scratch = { 0 };
	uint32_t found = UINT32_MAX;
	struct buffer *reason;
	struct slice name;
	const uint8_t *at;
	int err;

	for (unsigned i = 0; i < checker->open; i++) {
		size_t first = checker->firsts[i];
		size_t after = i + 1 < checker->open ? checker->firsts[i + 1] : checker->count;
		uint32_t one = find_duplicate(checker, first, after - first);

		found = one < found ? one : found;
	}
	if (found == UINT32_MAX)
		return 0;
	at = checker->start + found;
	reason = refuse(checker, at);
	if (json_string(at, checker->end, &scratch, &name)) {
		json_put_text(reason, "duplicate name ");
		json_put_quoted(reason, name);
	}
	err = scratch.err;
	buffer_release(&scratch);
	return err;
}

/* --- the parser --- */

static const uint8_t *check_value(struct checker *checker, const uint8_t *at, unsigned depth);

static const uint8_t *refuse_escape(struct checker *checker, const uint8_t *at)
{
	const uint8_t *end = checker->end;
	struct buffer *reason = refuse(checker, at);

	if (end - at < 2 || at[1] != 'u') {
		json_put_text(reason, "invalid escape: \\ and ");
		put_shown(reason, at + 1, end);
	} else if (read_code(at, end) < 0) {
		json_put_text(reason,
			"invalid escape: expected four hexadecimal digits after \\u");
	} else {
		buffer_put(reason, at, 6);
		json_put_text(reason, ": unpaired surrogate");
	}
	return NULL;
}

static const uint8_t *check_string(struct checker *checker, const uint8_t *first)
{
	const uint8_t *at = first + 1, *end = checker->end, *after;
	struct buffer *reason;
	uint32_t code;

	while ((at = find_stop(at, end)) < end) {
		if (*at == '"')
			return at + 1;
		if (*at < 0x20) {
			reason = refuse(checker, at);
			put_shown(reason, at, end);
			json_put_text(reason, " in a string must be escaped");
			return NULL;
		}
		after = read_escape(at, end, &code);
		if (!after)
			return refuse_escape(checker, at);
		at = after;
	}
	return refuse_as(checker, first, "unterminated string");
}

static const uint8_t *check_number(struct checker *checker, const uint8_t *at)
{
	const char *reason;
	const uint8_t *stop = scan_number(at, checker->end, &reason);
	struct number number;
	int err;

	if (!stop)
		return refuse_as(checker, at, reason);
	err = json_parse_number(&number, slice_of(at, (size_t)(stop - at)));
	return err ? refuse_as(checker, at, error_text(err)) : stop;
}

static const uint8_t *check_word(struct checker *checker, const uint8_t *at)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t left = (size_t)(checker->end - at);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t len = strlen(words[i]);

		if (left >= len && memcmp(at, words[i], len) == 0 &&
				(left == len || !is_word_byte(at[len])))
			return at + len;
	}
	return unexpected(checker, at, "a value");
}

static const uint8_t *check_entry(struct checker *checker, const uint8_t *at, unsigned depth)
{
	const uint8_t *after, *end = checker->end;

	if (at == end || *at != '"')
		return unexpected(checker, at, "a name in double quotes");
	after = check_string(checker, at);
	if (!after)
		return NULL;
	if (checker->count == checker->cap) {
		uint32_t *names = memory_grow(checker->names, &checker->cap, sizeof *names);

		if (!names)
			return NULL;
		checker->names = names;
	}
	checker->names[checker->count++] = (uint32_t)(at - checker->start);
	after = json_skip_space(after, end);
	if (after == end || *after != ':')
		return unexpected(checker, after, "':'");
	return check_value(checker, json_skip_space(after + 1, end), depth);
}

/* Checks the members of the array or object at `at`. An object that has a duplicate name stays
 * open, for refuse_duplicate. */
static const uint8_t *check_members(struct checker *checker, const uint8_t *at, unsigned depth)
{
	const uint8_t *end = checker->end;
	bool is_object = *at == '{';
	uint8_t close = is_object ? '}' : ']';
	size_t first = checker->count;

	if (is_object)
		checker->firsts[checker->open++] = first;
	at = json_skip_space(at + 1, end);
	if (at == end || *at != close) {
		for (;;) {
			at = is_object ? check_entry(checker, at, depth) :
				check_value(checker, at, depth);
			if (!at)
				return NULL;
			at = json_skip_space(at, end);
			if (at < end && *at == close)
				break;
			if (at == end || *at != ',')
				return unexpected(checker, at, is_object ? "',' or '}'" :
					"',' or ']'");
			at = json_skip_space(at + 1, end);
		}
	}
	if (is_object && find_duplicate(checker, first, checker->count - first) != UINT32_MAX)
		return NULL;
	checker->open -= is_object;
	checker->count = first;
	return at + 1;
}

static const uint8_t *check_value(struct checker *checker, const uint8_t *at, unsigned depth)
{
	uint8_t c = at < checker->end ? *at : 0;

	if (depth == JSON_DEPTH_MAX)
		return refuse_as(checker, at, "more than 100 nested levels");
	if (c == '"')
		return check_string(checker, at);
	if (c == '{' || c == '[')
		return check_members(checker, at, depth + 1);
	if (c == '-' || is_digit(c))
		return check_number(checker, at);
	return check_word(checker, at);
}

static const uint8_t *check_all(struct checker *checker, struct slice text, size_t from)
{
	size_t valid;

	if (text.len > JSON_TEXT_MAX)
		return refuse_as(checker, text.data, "more than 2147483647 bytes");
	valid = utf8_prefix(text);
	if (valid < text.len)
		return refuse_as(checker, text.data + valid, "invalid UTF-8");
	return check_value(checker, json_skip_space(text.data + from, checker->end), 0);
}

/* Returns the error of a check that ended without an address. */
static int check_failed(struct checker *checker)
{
	int err = refuse_duplicate(checker);

	if (!err)
		err = checker->fault->reason.err;
	if (!err)
		err = checker->is_refused ? ERR_VALIDATION : ERR_NO_MEMORY;
	memory_free(checker->names);
	return err;
}

int json_check(struct slice text, size_t at, size_t *end, struct json_fault *fault)
{
	struct checker checker = {
		.start = text.data, .end = text.data + text.len, .fault = fault,
	};
	const uint8_t *stop = check_all(&checker, text, at);

	if (stop) {
		stop = json_skip_space(stop, checker.end);
		if (end)
			*end = (size_t)(stop - checker.start);
		else if (stop < checker.end)
			stop = unexpected(&checker, stop, "the end");
	}
	if (!stop)
		return check_failed(&checker);
	memory_free(checker.names);
	return 0;
}

void json_place(struct slice text, size_t at, uint64_t *line, uint64_t *column)
{
	const uint8_t *p = text.data, *stop = p + (at < text.len ? at : text.len);

	*line = *column = 1;
	for (; p < stop; p++) {
		*column += (*p & 0xc0) != 0x80;
		if (*p == '\n') {
			++*line;
			*column = 1;
		}
	}
}
