/* test_state.c - tests of codec/state.h: file header and state, and their errors. */
#include "codec/state.h"

#include "base/error.h"
#include "unit/check.h"

static void random_jump(struct clock_jump *jump)
{
	jump->wall_ms = check_random();
	jump->elapsed_ms = check_random();
	check_random_bytes(jump->boot, sizeof jump->boot);
}

static void random_state(struct state *state)
{
	memset(state, 0, sizeof *state);
	state->sequence = check_random_below(SEQUENCE_MAX + 1);
	state->node = check_random();
	state->table = (uint32_t)check_random();
	state->stream = (uint32_t)check_random();
	state->index = (uint32_t)check_random();
	state->tables = (uint32_t)check_random();
	state->streams = (uint32_t)check_random();
	state->catalog_version = check_random();
	state->created_ms = check_random();
	state->stepped_back = check_random();
	state->lost = check_random_below(SEQUENCE_MAX + 1);
	state->retention_ms = check_random();
	state->elapsed_ms = check_random();
	check_random_bytes(state->boot, sizeof state->boot);
	state->lead_ms = check_random();
	random_jump(&state->jump);
	state->expiry_ms = check_random();
	random_jump(&state->expiry_jump);
}

static void a_state_comes_back(void)
{
	struct buffer bytes = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct state state, again;

		random_state(&state);
		buffer_clear(&bytes);
		state_put(&bytes, &state);
		CHECK_EQUAL_INT(buffer_error(&bytes), 0);
		memset(&again, 0, sizeof again);
		CHECK_EQUAL_INT(state_get(&again, buffer_slice(&bytes)), 0);
		CHECK_BYTES(&again, sizeof again, &state, sizeof state);
	}
	for (size_t len = 0; len < bytes.len; len++) {
		struct state state;

		CHECK_EQUAL_INT(state_get(&state, slice_of(bytes.data, len)), ERR_CORRUPT);
	}
	buffer_put_u8(&bytes, 0);
	CHECK_EQUAL_INT(state_get(&(struct state){ 0 }, buffer_slice(&bytes)), ERR_CORRUPT);
	buffer_release(&bytes);
}

static int read_state_again(const struct state *state)
{
	struct buffer bytes = { 0 };
	struct state again;
	int err;

	state_put(&bytes, state);
	err = state_get(&again, buffer_slice(&bytes));
	buffer_release(&bytes);
	return err;
}

static void an_unassigned_sequence_number(void)
{
	struct state state;

	random_state(&state);
	state.sequence = state.lost = SEQUENCE_MAX;
	CHECK_EQUAL_INT(read_state_again(&state), 0);
	state.sequence = SEQUENCE_MAX + 1;
	CHECK_EQUAL_INT(read_state_again(&state), ERR_CORRUPT);
	state.sequence = 1;
	state.lost = SEQUENCE_MAX + 1;
	CHECK_EQUAL_INT(read_state_again(&state), ERR_CORRUPT);
}

static void local_stamp(struct file_header *header)
{
	file_header_local(header, 4096);
	check_random_bytes(header->database_id, FILE_ID_BYTES);
	check_random_bytes(header->incarnation, FILE_ID_BYTES);
	check_random_bytes(header->secret, HASH_SECRET_BYTES);
	header->created_ms = 1700000000123;
	header->made_by = slice_of_text("somebody 1.0");
}

static int read_changed(const struct file_header *header)
{
	struct buffer bytes = { 0 };
	struct file_header local, again;
	int err;

	file_header_local(&local, 4096);
	file_header_put(&bytes, header);
	err = file_header_get(&again, buffer_slice(&bytes), &local);
	if (!err) {
		CHECK_BYTES(again.database_id, FILE_ID_BYTES, header->database_id, FILE_ID_BYTES);
		CHECK_BYTES(again.incarnation, FILE_ID_BYTES, header->incarnation, FILE_ID_BYTES);
		CHECK_BYTES(again.secret, HASH_SECRET_BYTES, header->secret, HASH_SECRET_BYTES);
		CHECK_EQUAL_UINT(again.created_ms, header->created_ms);
		CHECK(slice_equal(again.made_by, header->made_by));
	}
	buffer_release(&bytes);
	return err;
}

static void a_stamp_says_what_is_wrong(void)
{
	struct file_header header, changed;

	local_stamp(&header);
	CHECK_EQUAL_INT(read_changed(&header), 0);
	changed = header;
	changed.format = FILE_FORMAT + 1;
	CHECK_EQUAL_INT(read_changed(&changed), 0);
	changed.oldest_reader = FILE_FORMAT + 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_NEWER_FORMAT);
	changed = header;
	changed.format = changed.oldest_reader = FILE_FORMAT_OLDEST - 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_OLDER_FORMAT);
	changed = header;
	changed.pointer_bytes = header.pointer_bytes == 8 ? 4 : 8;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_FOREIGN_FORMAT);
	changed = header;
	changed.byte_order = header.byte_order == 1 ? 2 : 1;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_FOREIGN_FORMAT);
	changed = header;
	changed.page_bytes = 16384;
	CHECK_EQUAL_INT(read_changed(&changed), ERR_FOREIGN_FORMAT);
}

static void what_is_no_stamp_is_refused(void)
{
	struct buffer bytes = { 0 };
	struct file_header header, local;

	local_stamp(&header);
	file_header_local(&local, 4096);
	file_header_put(&bytes, &header);
	for (size_t len = 0; len < bytes.len; len++) {
		int err = file_header_get(&header, slice_of(bytes.data, len), &local);

		CHECK_EQUAL_INT(err, len < strlen(FILE_MAGIC) ? ERR_NOT_DATABASE : ERR_CORRUPT);
	}
	for (size_t i = 0; i < strlen(FILE_MAGIC); i++) {
		bytes.data[i] ^= 1;
		CHECK_EQUAL_INT(file_header_get(&header, buffer_slice(&bytes), &local),
			ERR_NOT_DATABASE);
		bytes.data[i] ^= 1;
	}
	buffer_release(&bytes);
}

/* The state knows the last record of each of the last STATE_TOUCHED streams, in order; of the
 * others, that none has a record after touched_after. */
static void touched_streams_agree_with_a_plain_list(void)
{
	uint64_t last[60] = { 0 };
	struct state state = { 0 };

	for (uint64_t sequence = 1; sequence <= 5000; sequence++) {
		uint32_t stream = (uint32_t)check_random_below(sequence % 700 < 300 ? 60 : 20);
		unsigned in = 0;

		state_touch(&state, stream, sequence);
		last[stream] = sequence;
		for (unsigned i = 0; i < state.touched_count; i++) {
			CHECK_EQUAL_UINT(state.touched[i].sequence,
				last[state.touched[i].stream]);
			CHECK(i == 0 || state.touched[i - 1].sequence <
				state.touched[i].sequence);
		}
		for (unsigned i = 0; i < 60; i++)
			in += last[i] > state.touched_after;
		CHECK(in <= state.touched_count && state.touched_count <= STATE_TOUCHED);
	}
}

/* Each change was made in the first incarnation that ends at or after it, else in the current. */
static void incarnations_have_ranges(void)
{
	struct buffer identity = { 0 };
	uint8_t ids[4][FILE_ID_BYTES];

	for (int i = 0; i < 4; i++)
		memset(ids[i], i, FILE_ID_BYTES);
	CHECK(incarnation_of(buffer_slice(&identity), 1) == NULL);
	buffer_put(&identity, ids[0], FILE_ID_BYTES);
	CHECK(incarnation_of(buffer_slice(&identity), 1) == NULL);
	buffer_put(&identity, ids[1], FILE_ID_BYTES);
	CHECK(memcmp(incarnation_of(buffer_slice(&identity), 1), ids[1], FILE_ID_BYTES) == 0);
	for (unsigned i = 2; i < 4; i++) {
		buffer_put_u64(&identity, 10 * i);
		CHECK(incarnation_of(buffer_slice(&identity), 1) == NULL);
		buffer_put(&identity, ids[i], FILE_ID_BYTES);
	}
	for (uint64_t n = 1; n < 40; n++)
		CHECK(memcmp(incarnation_of(buffer_slice(&identity), n), ids[n <= 20 ? 2 :
			n <= 30 ? 3 : 1], FILE_ID_BYTES) == 0);
	buffer_release(&identity);
}

int main(void)
{
	touched_streams_agree_with_a_plain_list();
	a_state_comes_back();
	incarnations_have_ranges();
	an_unassigned_sequence_number();
	a_stamp_says_what_is_wrong();
	what_is_no_stamp_is_refused();
	return 0;
}
