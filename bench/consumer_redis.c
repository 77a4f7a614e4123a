/* consumer_redis.c - Redis: a stream with a consumer group; counters are strings.
 *
 * One request handles a batch: MULTI with an INCRBY for each change, XACK for the batch and
 * XREADGROUP for the next batch, which is in the reply to EXEC. This is one round trip, one
 * transaction and one flush of the append-only file. peer_redis.c starts the server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/consumer.h"
#include "lib/redis.h"

#define MAKE_BATCH 1000
#define NUMBER 24                /* digits of a number and the terminating zero */
#define WORDS_BEFORE_IDS 3       /* XACK changes bench */

static struct redis server;

/* Entries of the next batch, and the reply that contains them. */
static const redisReply *entries;
static redisReply *reply;

static void describe(void)
{
	printf("hiredis %d.%d, unix socket; the server is that of peer_redis\n", HIREDIS_MAJOR,
		HIREDIS_MINOR);
	printf("full: appendfsync always; none: no\n");
	printf("MULTI; INCRBY CUSTOMER TOTAL, or INCRBY records BATCH; XACK changes bench ID...; "
		"XREADGROUP GROUP bench 1 COUNT BATCH STREAMS changes >; EXEC\n");
}

/* --- making --- */

static void open_server(const char *path, enum level level)
{
	redis_open(&server, path, level);
}

static void close_server(void)
{
	freeReplyObject(reply);
	redisFree(server.context);
}

static void receive_nothing(void)
{
	freeReplyObject(redis_receive_all(&server));
}

static void record(uint64_t number)
{
	struct order order;
	const char *words[] = { "XADD", "changes", "*", "key", (const char *)order.key, "old", "",
		"new", (const char *)order.item };
	const size_t lens[] = { 4, 7, 1, 3, ORDER_KEY, 3, 0, 3, ORDER_ITEM };

	sale_make(&order, number);
	redis_send_words(&server, 9, words, lens);
}

/* The flush after the last write flushes the whole file. */
static void make(uint64_t records)
{
	for (uint64_t i = 0; i < records; i++) {
		record(i);
		if (server.expected == MAKE_BATCH)
			receive_nothing();
	}
	receive_nothing();
	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		redis_do(&server, "SET %s 0", sale_customer(i));
	redis_set_level(&server, LEVEL_FULL);
	redis_do(&server, "SET %s 0", RECORDS_COUNTER);
}

/* --- batches --- */

static void send_read(uint64_t batch)
{
	char number[NUMBER];
	const char *words[] = { "XREADGROUP", "GROUP", "bench", "1", "COUNT", number, "STREAMS",
		"changes", ">" };

	snprintf(number, sizeof number, "%llu", (unsigned long long)batch);
	redis_send_words(&server, 9, words, NULL);
}

/* Keeps the next batch: `read` is the reply to XREADGROUP, `all` the reply that contains it. */
static void take(redisReply *all, const redisReply *read)
{
	freeReplyObject(reply);
	reply = all;
	entries = read->type == REDIS_REPLY_ARRAY && read->elements ?
		read->element[0]->element[1] : NULL;
}

static void start(const struct job *job)
{
	redisReply *all;

	freeReplyObject(redis_ask(&server, "XGROUP DESTROY changes bench"));
	freeReplyObject(redis_ask(&server, "XGROUP CREATE changes bench 0"));
	send_read(job->batch);
	all = redis_receive_all(&server);
	take(all, all);
}

static void send_add(const char *counter, int64_t amount)
{
	char number[NUMBER];
	const char *words[] = { "INCRBY", counter, number };

	snprintf(number, sizeof number, "%lld", (long long)amount);
	redis_send_words(&server, 3, words, NULL);
}

static void handle_changes(const struct job *job)
{
	for (size_t i = 0; job->is_counters && i < entries->elements; i++) {
		const redisReply *image = entries->element[i]->element[1]->element[5];
		struct sale sale;

		sale_read(&sale, image->str, image->len);
		if (job->is_exact)
			send_add(sale.customer, sale.total);
		else
			sale_add(&sale);
	}
	if (!job->is_counters && job->is_exact)
		send_add(RECORDS_COUNTER, (int64_t)entries->elements);
	else if (!job->is_counters)
		sale_count(entries->elements);
}

static void send_acknowledgement(void)
{
	static const char **words;
	static size_t size;
	size_t count = WORDS_BEFORE_IDS + entries->elements;

	if (count > size) {
		free(words);
		words = get_memory(count * sizeof *words);
		size = count;
	}
	words[0] = "XACK";
	words[1] = "changes";
	words[2] = "bench";
	for (size_t i = 0; i < entries->elements; i++)
		words[WORDS_BEFORE_IDS + i] = entries->element[i]->element[0]->str;
	redis_send_words(&server, (int)count, words, NULL);
}

static uint64_t handle(const struct job *job)
{
	uint64_t changes = entries ? entries->elements : 0;
	redisReply *all;

	if (!changes)
		return 0;
	redis_send_word(&server, "MULTI");
	handle_changes(job);
	send_acknowledgement();
	send_read(job->batch);
	redis_send_word(&server, "EXEC");
	all = redis_receive_all(&server);
	if (all->type != REDIS_REPLY_ARRAY || !all->elements)
		die("redis", "EXEC should return replies");
	take(all, all->element[all->elements - 1]);
	return changes;
}

static int64_t value_of(const char *counter)
{
	redisReply *found = redis_ask(&server, "GET %s", counter);
	int64_t value = strtoll(found->str, NULL, 10);

	freeReplyObject(found);
	return value;
}

/* An acknowledged entry is no longer pending. */
static uint64_t position(void)
{
	redisReply *pending = redis_ask(&server, "XPENDING changes bench");
	bool is_all = !pending->element[0]->integer;
	redisReply *range = redis_ask(&server, "XRANGE changes - %s",
		is_all ? "+" : pending->element[1]->str);
	uint64_t acknowledged = range->elements - !is_all;

	freeReplyObject(range);
	freeReplyObject(pending);
	return acknowledged;
}

static int64_t sum(void)
{
	int64_t all = value_of(RECORDS_COUNTER);

	for (uint64_t i = 0; i < SALE_CUSTOMERS; i++)
		all += value_of(sale_customer(i));
	return all;
}

const struct consumer consumer = {
	.describe = describe,
	.open = open_server,
	.close = close_server,
	.make = make,
	.start = start,
	.handle = handle,
	.position = position,
	.sum = sum,
};
