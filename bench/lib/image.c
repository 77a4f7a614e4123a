/* image.c - orders of customers as C structs. */
#include "lib/image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/program.h"

/* The same values as in bench/lib/orders.lua. */
#define CUSTOMERS 1000
#define FIRST_TIME INT64_C(1700000000001)
#define STEP 100

/* Length of each text, without the terminating zero. */
#define ADDRESS 55
#define CUSTOMER 9
#define NOTE 61
#define STATUS 7

static const char *const states[] = { "pending", "shipped", "settled", "refused" };

#define FIELD(name, type, len) \
	{ #name, sizeof #name - 1, FIELD_##type, offsetof(struct image, name), len }

const struct image_field image_fields[IMAGE_FIELDS] = {
	FIELD(address, STRING, ADDRESS),
	FIELD(customer, STRING, CUSTOMER),
	FIELD(note, STRING, NOTE),
	FIELD(placed_at, INTEGER, 8),
	FIELD(status, STRING, STATUS),
	FIELD(total, DOUBLE, 8),
};

const struct image_field *image_field(const void *name, size_t len)
{
	for (size_t i = 0; i < IMAGE_FIELDS; i++) {
		if (image_fields[i].name_len == len && memcmp(image_fields[i].name, name, len) == 0)
			return &image_fields[i];
	}
	return NULL;
}

void set_digits(char *to, unsigned digits, uint64_t number)
{
	for (; digits > 0; number /= 10)
		to[--digits] = (char)('0' + number % 10);
}

/* --- values that items share --- */

#define TEXTS 100

static char addresses[TEXTS][ADDRESS + 1];
static char notes[TEXTS][NOTE + 1];

/* Copies a text, which must have the length of its field. */
__attribute__((format(printf, 3, 4)))
static void set_text(char *to, size_t len, const char *format, ...)
{
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vsnprintf(to, len + 1, format, arguments);
	va_end(arguments);
	if (written < 0 || (size_t)written != len)
		abort();
}

/* Formatted once, as in Lua, so that formatting is not measured. */
__attribute__((constructor)) static void make_texts(void)
{
	for (unsigned i = 0; i < TEXTS; i++) {
		set_text(addresses[i], ADDRESS,
			"%03u Long Harbour Road, Building %02u, 24103 Kiel, Germany",
			(i + 1) * 7, (i + 1) % 89);
		set_text(notes[i], NOTE,
			"leave it with neighbour no. %03u, ring twice and mind the cats",
			(i + 1) * 9);
	}
}

/* --- items --- */

/* Sets the values that change between the versions of an item, at random. The two decimals of a
 * total are never 00, so that all decimals have the same length. */
static void fill(struct image *image, uint64_t any)
{
	uint64_t units = any / 40000 % 900 + 100, cents = any / 40000 / 900 % 99 + 1;

	memcpy(image->address, addresses[any % TEXTS], sizeof image->address);
	memcpy(image->note, notes[any / 100 % TEXTS], sizeof image->note);
	memcpy(image->status, states[any / 10000 % 4], sizeof image->status);
	image->total = (double)(units * 100 + cents) / 100;
}

static void make(struct image *image, char prefix, uint64_t customer, uint64_t number,
	uint64_t *state)
{
	fill(image, chance(state));
	memcpy(image->customer, (char[]){ prefix, '-' }, 2);
	set_digits(image->customer + 2, CUSTOMER - 2, customer);
	image->customer[CUSTOMER] = 0;
	image->placed_at = FIRST_TIME + (int64_t)number * STEP;
}

void image_make(struct image *image, uint64_t number, uint64_t items, uint64_t *state)
{
	uint64_t each = (items + CUSTOMERS - 1) / CUSTOMERS;

	make(image, 'c', number / each, number % each, state);
}

void image_make_behind(struct image *image, uint64_t partition, uint64_t number,
	uint64_t *state)
{
	make(image, 'z', partition, number, state);
}

void image_set_stamp(struct image *image, uint64_t time_ns)
{
	set_digits(image->note, NOTE, time_ns);
}

uint64_t image_stamp(const struct image *image)
{
	return strtoull(image->note, NULL, 10);
}
