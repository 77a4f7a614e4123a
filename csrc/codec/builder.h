/* builder.h - encodes an item in canonical form.
 *
 * Attributes and set members may come in any order; they are sorted when their map or set is
 * closed. The builder keeps its first error (TOO_DEEP, ITEM_TOO_BIG, NOT_UTF8, DUPLICATE_MEMBER,
 * EMPTY_SET, EMPTY_NAME, NAME_TOO_LONG, NO_MEMORY) and ignores later calls, so that callers check
 * for errors once. The builder checks the limit of 400 KB at each value and not only at the end,
 * so a short document that expands to a huge item does not exhaust memory.
 *
 *     builder_start(&builder);
 *     builder_name(&builder, slice_of_text("tags"));
 *     builder_open(&builder, TYPE_SS);
 *     builder_string(&builder, slice_of_text("new"));
 *     builder_close(&builder);
 *     err = builder_finish(&builder, &item);
 *
 * A zeroed builder is valid. A builder can be used for any number of items and
 * keeps its memory.
 */
#ifndef CODEC_BUILDER_H
#define CODEC_BUILDER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/value.h"

/* Maximum number of attributes cached from the previous item, and maximum length of
 * their names. */
#define BUILDER_KNOWN_MAX 12
#define BUILDER_KNOWN_NAME 31

/* An attribute of an open map or a member of an open set. Entries are sorted by
 * name; the name of a member is its value. */
struct builder_entry {
	uint64_t prefix;     /* first 8 bytes of the name, zero-padded */
	uint32_t start;      /* offset of the encoded entry */
	uint32_t len;        /* length, including the name; set when the container is closed */
	uint32_t name_start;
	uint32_t name_len;
};

/* Attribute names of the previous item, in the order in which they were given. Items of a table
 * usually have the same names in the same order. A name that equals the name at its position here
 * need not be checked again, and if all names are equal, their sort order is known too. */
struct builder_known {
	unsigned count;      /* 0 if empty */
	bool sorted;         /* true if the names were given in ascending order */
	struct builder_name {
		uint64_t prefix;
		uint8_t bytes[1 + BUILDER_KNOWN_NAME];   /* length, then the name */
		uint8_t from;        /* index of the entry that is sorted to this position */
	} names[BUILDER_KNOWN_MAX];
};

/* An open container. */
struct builder_frame {
	enum type type;      /* TYPE_M for the item itself */
	uint32_t body;       /* offset of its count, for which one byte is reserved */
	uint32_t entry;      /* index of its first entry */
	uint32_t count;
	bool sorted;         /* true if the entries so far are in ascending order */
};

struct builder {
	struct buffer bytes;
	struct buffer scratch;           /* for sorting entries */
	struct buffer offsets;           /* the same, in large containers */
	struct builder_entry *entries;
	size_t entry_count, entry_cap;
	struct builder_known known;
	bool as_known;                   /* true if all names so far are those in `known` */
	struct builder_frame frames[VALUE_MAX_DEPTH + 2];   /* item, M and L, a set */
	unsigned depth;                  /* index of the innermost open frame; 0 for the item */
	size_t size;                     /* size of the item as DynamoDB counts it */
	size_t size_max;                 /* ITEM_MAX_BYTES unless set after builder_start */
	int err;
};

/* Starts an item (a map body) and discards the previous content. */
void builder_start(struct builder *builder);
void builder_release(struct builder *builder);

static inline int builder_error(const struct builder *builder)
{
	return builder->err;
}

/* Sets the attribute name of the next value. Must be called before each value in a map or in the
 * item. A duplicate name causes DUPLICATE_MEMBER when the map is closed. */
void builder_name(struct builder *builder, struct slice name);

void builder_string(struct builder *builder, struct slice utf8);
void builder_number(struct builder *builder, struct slice number);
void builder_binary(struct builder *builder, struct slice bytes);
void builder_bool(struct builder *builder, bool b);
void builder_null(struct builder *builder);

/* Opens a container of type M, L, SS, NS or BS. Its members are added with the functions above. */
void builder_open(struct builder *builder, enum type type);
void builder_close(struct builder *builder);

/* Appends an encoded value, for example of an attribute that an update leaves unchanged. The bytes
 * must be valid and must not be part of this builder. */
void builder_value(struct builder *builder, const struct value *value);

/* Ends the item and returns its bytes, which are valid until the next builder_start. */
int builder_finish(struct builder *builder, struct slice *item);

#endif
