/* Lookups by DPDK's librte_fib and librte_fib6, on the table and the addresses that `swbench lpm` gives.
 *
 *   fib 4|6 ROUTES ADDRESSES SUM BURST
 *
 * Prints a line `kind nanoseconds` per kind of lookup: `scalar…` and `vector…` take BURST addresses a call, `single…` one.
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

enum { ROUNDS = 7 };

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

static int by_value(const void *a, const void *b)
{
	return *(const double *)a > *(const double *)b ? 1 : -1;
}

/* Either family. */
static struct rte_fib *fib4;
static struct rte_fib6 *fib6;

static uint64_t look_up(uint8_t *addresses, size_t count, int burst)
{
	uint64_t hops[256], sum = 0;
	for (size_t at = 0; at + burst <= count; at += burst) {
		if (fib4)
			rte_fib_lookup_bulk(fib4, (uint32_t *)addresses + at, hops, burst);
		else
			rte_fib6_lookup_bulk(fib6, (void *)(addresses + 16 * at), hops, burst);
		for (int i = 0; i < burst; i++)
			sum += hops[i];
	}
	return sum;
}

static void measure(const char *kind, const char *bytes, uint8_t *addresses, size_t count, int burst, uint64_t expected)
{
	double rounds[ROUNDS];
	for (int round = 0; round < ROUNDS; round++) {
		double began = now();
		uint64_t sum = look_up(addresses, count, burst);
		if (sum != expected)
			rte_exit(1, "%s-%s: the sum of next hops is %" PRIu64 ", not %" PRIu64 "\n", kind, bytes, sum, expected);
		rounds[round] = (now() - began) / count;
	}
	qsort(rounds, ROUNDS, sizeof *rounds, by_value);
	printf("%s-%s %.3f\n", kind, bytes, rounds[0]);
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
	uint64_t sum = strtoull(argv[4], NULL, 10);

	/* Next hops of 2 bytes are as many as 32,767, of 4 bytes 2^31 - 1. */
	for (int bytes = 2; bytes <= 8; bytes *= 2) {
		char name[2] = { '0' + bytes, 0 };
		int size = bytes == 2 ? 1 : bytes == 4 ? 2 : 3;
		if (four) {
			struct rte_fib_conf conf = { .type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = count + 1,
				.dir24_8 = { .nh_sz = size, .num_tbl8 = bytes == 2 ? 32767 : 65536 } };
			fib4 = rte_fib_create(name, -1, &conf);
		} else {
			struct rte_fib6_conf conf = { .type = RTE_FIB6_TRIE, .default_nh = 0, .max_routes = count + 1,
				.trie = { .nh_sz = size, .num_tbl8 = bytes == 2 ? 32767 : 400000 } };
			fib6 = rte_fib6_create(name, -1, &conf);
		}
		if (!fib4 && !fib6) {
			printf("# %d bytes: no table: %s\n", bytes, rte_strerror(rte_errno));
			continue;
		}
		double began = now();
		int failed = 0;
		for (size_t at = 0; at < route_bytes && !failed; at += width + 8) {
			uint32_t address, length, hop;
			memcpy(&address, routes + at, 4);
			memcpy(&length, routes + at + width, 4);
			memcpy(&hop, routes + at + width + 4, 4);
			failed = four ? rte_fib_add(fib4, address, length, hop) : rte_fib6_add(fib6, routes + at, length, hop);
		}
		if (failed) {
			printf("# %d bytes: no room: %s\n", bytes, strerror(-failed));
		} else {
			printf("# %d bytes: %zu routes loaded in %.2f s\n", bytes, count, (now() - began) / 1e9);
			if (four)
				rte_fib_select_lookup(fib4, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO);
			else
				rte_fib6_select_lookup(fib6, RTE_FIB6_LOOKUP_TRIE_SCALAR);
			measure("single", name, addresses, address_bytes / width, 1, sum);
			measure("scalar", name, addresses, address_bytes / width, burst, sum);
			if (four) {
				rte_fib_select_lookup(fib4, RTE_FIB_LOOKUP_DIR24_8_SCALAR_INLINE);
				measure("scalar-inline", name, addresses, address_bytes / width, burst, sum);
			}
			int vector = four ? rte_fib_select_lookup(fib4, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512)
				: rte_fib6_select_lookup(fib6, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512);
			if (vector == 0)
				measure("vector", name, addresses, address_bytes / width, burst, sum);
			else
				printf("# no vectors: %s\n", strerror(-vector));
		}
		rte_fib_free(fib4);
		rte_fib6_free(fib6);
		fib4 = NULL;
		fib6 = NULL;
	}
	return 0;
}
