/* Lookups by DPDK's librte_fib and librte_fib6, on the table and the addresses that `swbench lpm` gives.
 *
 *   fib 4|6 ROUTES ADDRESSES SUM BURST
 *
 * Prints a line `number kind` for each kind of lookup there is, remarks behind #, and an empty line. Then, for each number it
 * reads, it does one round of that kind and prints the nanoseconds an address took: so its rounds and ours alternate.
 * `single…` takes one address a call, `scalar…` and `vector…` BURST; the digit is the bytes of a next hop.
 * The sum of the next hops must be SUM: what is compared is the same work. Without FIB_HUGE no huge pages are used. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_vect.h>

static uint8_t *content(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END))
		rte_exit(1, "%s: cannot be read\n", path);
	*size = ftell(file);
	rewind(file);
	uint8_t *bytes = aligned_alloc(64, (*size + 63) / 64 * 64);
	if (fread(bytes, 1, *size, file) != *size)
		rte_exit(1, "%s: cannot be read\n", path);
	fclose(file);
	return bytes;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

/* A table of next hops of some width; one of the two is there. */
struct table {
	struct rte_fib *fib4;
	struct rte_fib6 *fib6;
};

static uint64_t look_up(struct table *table, uint8_t *addresses, size_t count, int burst)
{
	uint64_t hops[256], sum = 0;
	for (size_t at = 0; at + burst <= count; at += burst) {
		if (table->fib4)
			rte_fib_lookup_bulk(table->fib4, (uint32_t *)addresses + at, hops, burst);
		else
			rte_fib6_lookup_bulk(table->fib6, (void *)(addresses + 16 * at), hops, burst);
		for (int i = 0; i < burst; i++)
			sum += hops[i];
	}
	return sum;
}

static const struct {
	const char *name;
	int bulk;
	int type4, type6;
} kinds[] = {
	{ "single", 0, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, RTE_FIB6_LOOKUP_TRIE_SCALAR },
	{ "scalar", 1, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO, RTE_FIB6_LOOKUP_TRIE_SCALAR },
	{ "vector", 1, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512 },
};

static int select_kind(struct table *table, size_t kind)
{
	return table->fib4 ? rte_fib_select_lookup(table->fib4, kinds[kind].type4)
		: rte_fib6_select_lookup(table->fib6, kinds[kind].type6);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 1;
	char *huge[] = { argv[0], "--log-level=error", "--no-pci", "--file-prefix=mona-fib", "--in-memory", "-l", "1", NULL };
	char *small[] = { argv[0], "--log-level=error", "--no-pci", "--no-huge", "-m", "3000", "-l", "1", NULL };
	int ret = getenv("FIB_HUGE") ? rte_eal_init(RTE_DIM(huge) - 1, huge) : rte_eal_init(RTE_DIM(small) - 1, small);
	if (ret < 0)
		rte_exit(1, "EAL: %s\n", rte_strerror(rte_errno));
	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);

	int four = argv[1][0] == '4', burst = atoi(argv[5]);
	size_t route_bytes, address_bytes, width = four ? 4 : 16;
	uint8_t *routes = content(argv[2], &route_bytes), *addresses = content(argv[3], &address_bytes);
	size_t count = route_bytes / (width + 8);
	uint64_t expected = strtoull(argv[4], NULL, 10);

	/* Next hops of 2 bytes are as many as 32,767, of 4 bytes 2^31 - 1. */
	struct table tables[2] = { 0 };
	for (int which = 0; which < 2; which++) {
		struct table *table = &tables[which];
		const char *name = which ? "4" : "2";
		int size = which + 1;
		if (four) {
			struct rte_fib_conf conf = { .type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = count + 1,
				.dir24_8 = { .nh_sz = size, .num_tbl8 = which ? 65536 : 32767 } };
			table->fib4 = rte_fib_create(name, -1, &conf);
		} else {
			struct rte_fib6_conf conf = { .type = RTE_FIB6_TRIE, .default_nh = 0, .max_routes = count + 1,
				.trie = { .nh_sz = size, .num_tbl8 = which ? 400000 : 32767 } };
			table->fib6 = rte_fib6_create(name, -1, &conf);
		}
		int failed = table->fib4 || table->fib6 ? 0 : -rte_errno;
		for (size_t at = 0; at < route_bytes && !failed; at += width + 8) {
			uint32_t address, length, hop;
			memcpy(&address, routes + at, 4);
			memcpy(&length, routes + at + width, 4);
			memcpy(&hop, routes + at + width + 4, 4);
			failed = four ? rte_fib_add(table->fib4, address, length, hop) : rte_fib6_add(table->fib6, routes + at, length, hop);
		}
		for (size_t kind = 0; kind < RTE_DIM(kinds); kind++) {
			if (failed)
				printf("# %s-%s: %s\n", kinds[kind].name, name, strerror(-failed));
			else if (select_kind(table, kind))
				printf("# %s-%s: not on this processor\n", kinds[kind].name, name);
			else
				printf("%d%zu %s-%s\n", which, kind, kinds[kind].name, name);
		}
	}
	printf("\n");
	fflush(stdout);

	char line[16];
	while (fgets(line, sizeof line, stdin)) {
		struct table *table = &tables[line[0] == '1'];
		size_t kind = (line[1] - '0') % RTE_DIM(kinds);
		select_kind(table, kind);
		double began = now();
		uint64_t sum = look_up(table, addresses, address_bytes / width, kinds[kind].bulk ? burst : 1);
		double took = now() - began;
		if (sum != expected)
			rte_exit(1, "%s: the sum of next hops is %" PRIu64 ", not %" PRIu64 "\n", kinds[kind].name, sum, expected);
		printf("%.3f\n", took / (address_bytes / width));
		fflush(stdout);
	}
	return 0;
}
