// The flow cache, as the programs of both kinds of ports read it: finds the flow of a frame, and says whether what it says
// still holds. Written by control alone (datapath/src/io/flows.rs), but for the counters, `epoch` and `waiting`.
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// A flow lies in one of so many slots from its home.
#define WINDOW 8
#define GENERATIONS 65536
#define DEPENDS 31

enum kind { FORWARD = 1, LOOK_L3 = 2, LOOK_L4 = 3 };

// Two cache lines; what does not look beyond Ethernet needs only the first.
struct flow {
	__u32 version; // odd: free, or being written
	__u32 epoch;   // the last one in which its dependencies were found to be as they were
	__u64 key0, key1;
	__u64 frames, bytes; // as on the wire, without the tag that travels beside the frame
	__u32 ifindex;
	__u16 mtu;
	__u16 tag;  // 0, or TAGGED | VID
	__u64 mark; // what was admitted when the port ran out of credit for it while it waited
	__u8 kind, waiting, routed, flags;
	__u32 spare;
	__u64 key2, key3, key4, key5;
	__u8 dst[6], src[6];
	__u8 rest[20];
};

struct depends {
	__u32 index[DEPENDS]; // of generations; 0 ends the list
	__u32 sum;
};

struct cache {
	__u64 epoch;
	__u64 seed;
	__u64 hold; // CLOCK_MONOTONIC until when flows are replayed, in nanoseconds
	__u64 mask; // slots less one
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct depends);
} depends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GENERATIONS);
	__type(key, __u32);
	__type(value, __u64);
} generations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cache);
} cache SEC(".maps");

#define TAGGED 0x1000
#define INNER ((__u64)0xffff << 48)
#define MIN_FRAME 60

struct key {
	__u64 word[6];
};

// What a flow says is to be done.
struct action {
	__u32 ifindex;
	__u16 mtu, tag;
	__u8 routed;
	__u8 macs[12];
};

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

// Loads before it are not moved behind it. (Among loads x86 keeps their order.)
#define barrier() asm volatile("" ::: "memory")

// The slot of a key; `words` of it are given, the others are zero.
static __always_inline struct flow *find(const struct cache *table, const struct key *key, int words, __u32 *at,
					 __u32 *version)
{
	__u64 hash = table->seed;
#pragma unroll
	for (int i = 0; i < words; i++)
		hash = mix(hash, key->word[i]);
#pragma unroll
	for (__u32 i = 0; i < WINDOW; i++) {
		__u32 index = (__u32)(hash + i) & table->mask;
		struct flow *flow = bpf_map_lookup_elem(&flows, &index);
		if (!flow)
			return 0;
		*version = *(volatile __u32 *)&flow->version;
		barrier();
		if (flow->key0 != key->word[0] || flow->key1 != key->word[1] || *version & 1)
			continue;
		if (words > 2 && (flow->key2 != key->word[2] || flow->key3 != key->word[3] || flow->key4 != key->word[4] ||
				  flow->key5 != key->word[5]))
			continue;
		*at = index;
		return flow;
	}
	return 0;
}

// Is everything that the flow depended on as it was? In an epoch in which that was found, one comparison says so. Control
// raises generations before the epoch: an old epoch read here may only cause another look.
static __always_inline int holds(struct flow *flow, __u32 at, const struct cache *table)
{
	__u32 epoch = *(volatile __u64 *)&table->epoch, sum = 0;
	if (flow->epoch == epoch)
		return 1;
	struct depends *depend = bpf_map_lookup_elem(&depends, &at);
	if (!depend)
		return 0;
	for (int i = 0; i < DEPENDS; i++) {
		__u32 index = depend->index[i];
		if (!index)
			break;
		__u64 *generation = bpf_map_lookup_elem(&generations, &index);
		if (!generation)
			return 0;
		sum += *(volatile __u64 *)generation;
	}
	if (sum != depend->sum)
		return 0;
	flow->epoch = epoch;
	return 1;
}
