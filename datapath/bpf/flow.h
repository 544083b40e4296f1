// The flows that userspace decided about, and how a frame's is found. The same memory as in io/slots.rs, where it is said
// who writes what. Loads keep their order on x86; other processors would need acquire loads of `version`.
#pragma once
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#define PORTS 4096
#define GROUP 16
#define NEAR 64
#define DEPENDS 31
// Of a flood, the last of them say where its further copies go.
#define COPIES 16
#define ALSO (DEPENDS - COPIES - 1)
// How many bytes of a frame are looked at: Ethernet, IP, TCP up to its flags.
#define DEEPEST_IPV4 (ETH_HLEN + 20 + 14)
#define DEEPEST_IPV6 (ETH_HLEN + 40 + 14)
// Frames of a flow that go up while it waits, at most.
#define PATIENCE 4096
#define UNKNOWN (~0ull)
// Of a flow's counts: no CPU has them for itself.
#define NOBODY 255
#define MANY (~0u)
#define once(x) (*(volatile typeof(x) *)&(x))

enum { FORWARD = 1, LOOK_L3, LOOK_L4 };
// A lane is a way up to a worker on which frames keep their order: that of TC, and one per queue of an xdp port. (Of more
// queues than there are bits, some share one.)
#define LANES 16
enum { TC_LANE = 0 };

// What is done, as two words.
struct action {
	__u32 ifindex;
	__u16 mtu;
	__u16 tag; // 0: none, else 0x1000 | VID
	__u8 kind;
	__u8 routed;   // 0, 4 or 6
	__u8 flags;    // of TCP, to look at; of what is sent on: whose counts are the flow's own (a CPU's number and 1)
	__u8 also;     // further copies
	__u8 xdp;      // may XDP send it, unless its checksum is left to be done?
	__u8 flooded;  // for the next daemon to know
	__u16 waiting; // lanes by which frames may still be on their way through userspace
};

struct flow {
	__u32 version; // odd: being written, or free
	__u32 from;    // ifindex; of an inner key the id of the outer flow
	__u64 epoch;
	__u64 key0, key1;
	__u64 frames, bytes;
	struct action action;
	__u64 rest[4]; // of the key
	__u8 macs[12];
	__u32 credit; // the lane it waits for: its number << 24 | index of what was admitted and consumed there
	__u64 mark;   // how many were admitted with the flow's last frame
	__u32 waited;
	__u32 id;
} __attribute__((aligned(64)));

// Of each slot of a group a byte of its key's hash; not 0 or 1: those are free, or resting. So a frame whose flow is not known
// touches two words of a quarter of a megabyte, and not the slots.
struct prints {
	__u64 words[GROUP / 8];
};
#define EACH 0x0101010101010101ull

struct depends {
	__u32 count;
	__u32 on[DEPENDS];
} __attribute__((aligned(64)));

// The last words of a flood's `depends`.
struct also {
	__u16 tag;  // of the copies
	__u16 turn; // from this one on, instead of the tag that those before them have
	__u32 fanout; // 0: each by itself, else the list by which all with the last tag leave together
	__u32 ifindex[COPIES - 1];
};

struct cache {
	__u64 epoch, seed, hold_until, enabled;
	__u64 checked; // the tick in which the clock was looked at last
	__u64 latest;  // an epoch << 16 | all that was raised in it: one generation
};

#define ARRAY(name, entries, key_t, value_t)        \
	struct {                                        \
		__uint(type, BPF_MAP_TYPE_ARRAY);           \
		__uint(map_flags, BPF_F_MMAPABLE);          \
		__uint(max_entries, entries);               \
		__type(key, key_t);                         \
		__type(value, value_t);                     \
	} name SEC(".maps")

ARRAY(flows, 1 << 18, __u32, struct flow);
// By slot: frames and bytes that other CPUs counted.
struct counts {
	__u64 frames, bytes;
};
ARRAY(others, 1 << 18, __u32, struct counts);
ARRAY(prints, (1 << 18) / GROUP, __u32, struct prints);
ARRAY(depends, 1 << 18, __u32, struct depends);
ARRAY(generations, 1 << 16, __u32, __u64);
ARRAY(cache, 1, __u32, struct cache);
// Frames that went towards a worker, by worker * PORTS + port; entry 0 of a worker is their sum. Written here.
ARRAY(admitted, PORTS, __u32, __u64);
// Those of them that were sent on or are known to be lost. Written by the worker.
ARRAY(consumed, PORTS, __u32, __u64);

// Slots less one.
volatile const __u32 flow_mask = (1 << 18) - 1;

// A frame, as far as a key holds it.
struct frame {
	__u8 *data, *end;
	__u8 *ip;        // behind Ethernet header and tag
	__u32 len;       // from `ip` to the frame's end
	__u32 from;      // ifindex
	__u16 tag;       // 0: none, else 0x1000 | VID
	__u16 pcp;
	__u16 ethertype; // in host order
};

// What was found.
struct hit {
	struct flow *flow;
	__u32 at, version;
	struct action action;
};

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

// Is it in this slot?
static __always_inline bool is_at(__u32 at, __u32 from, const __u64 *key, bool inner, bool six, struct hit *hit)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, &at);
	if (!flow)
		return false;
	__u32 version = once(flow->version);
	if (flow->key0 != key[0] || flow->key1 != key[1] || flow->from != from || version & 1 || !version)
		return false;
	if (inner && flow->rest[3] != key[5])
		return false;
	if (six && (flow->rest[0] != key[2] || flow->rest[1] != key[3] || flow->rest[2] != key[4]))
		return false;
	hit->flow = flow, hit->at = at, hit->version = version;
	((__u64 *)&hit->action)[0] = once(((__u64 *)&flow->action)[0]);
	((__u64 *)&hit->action)[1] = once(((__u64 *)&flow->action)[1]);
	return true;
}

// A group of the table in which a key may lie: one in its near part, to which few flows keep, so that they share pages; one in the
// rest, another one there. Each by bits of its own, as the print.
static __always_inline __u32 home_of(__u64 hash, int home)
{
	__u32 groups = flow_mask / GROUP + 1, near = groups / NEAR;
	if (!home)
		return (__u32)hash / GROUP & (near - 1);
	return near + ((__u64)(__u32)(home == 1 ? hash : hash >> 20) * (groups - near) >> 32);
}

// Where an inner key came from is mixed in last, for it is known last. Only of IPv6 all words are used.
static __always_inline bool find(__u64 seed, __u32 from, const __u64 *key, bool inner, struct hit *hit)
{
	bool six = inner && (__u16)(key[1] >> 32) == ETH_P_IPV6;
	__u64 hash = mix(mix(seed, key[0]), inner ? key[1] : key[1] ^ (__u64)(from * 0x9e3779b9u) << 32);
	if (six)
		for (int i = 2; i < 5; i++)
			hash = mix(hash, key[i]);
	if (inner)
		hash = mix(mix(hash, key[5]), from);
	__u64 print = (hash >> 56 < 2 ? 2 : hash >> 56) * EACH;
	for (int home = 0; home < 3; home++) {
		__u32 group = home_of(hash, home);
		struct prints *prints_of = bpf_map_lookup_elem(&prints, &group);
		if (!prints_of)
			return false;
		for (int half = 0; half < GROUP / 8; half++) {
			// The bytes that are the same become zero, and of such the highest bit is left (and at times of one above).
			__u64 differs = once(prints_of->words[half]) ^ print;
			__u64 same = (differs - EACH) & ~differs & EACH << 7;
			for (int i = 0; i < 8 && same; i++, same &= same - 1) {
				// The number of the lowest: as many bytes up, that byte of the factor is the highest.
				__u32 number = ((same & -same) >> 7) * 0x0001020304050607ull >> 56;
				if (is_at(group * GROUP + half * 8 + number, from, key, inner, six, hit))
					return true;
			}
		}
	}
	return false;
}

// All that may be looked at beyond; not of fragments, options, extension headers, packets that end early.
static __always_inline bool inner_key(const struct frame *frame, bool deep, __u8 flags, __u64 *key)
{
	__u8 *ip = frame->ip, *end = frame->end, *upper, protocol;
	__u32 rest;
	key[0] = key[2] = key[3] = key[4] = key[5] = 0;
	key[1] = (__u64)frame->ethertype << 32 | 0xffffull << 48;
	if (frame->ethertype == ETH_P_IP) {
		if (ip + 20 > end)
			return false;
		__u32 total = bpf_ntohs(*(__be16 *)(ip + 2));
		if (ip[0] != 0x45 || *(__be16 *)(ip + 6) & bpf_htons(0x3fff) || total > frame->len || total < 20)
			return false;
		key[0] = *(__u32 *)(ip + 12) | (__u64)*(__u32 *)(ip + 16) << 32;
		protocol = ip[9], rest = total - 20, upper = ip + 20;
		key[5] = (__u64)protocol << 32 | (__u64)ip[1] << 40;
	} else if (frame->ethertype == ETH_P_IPV6) {
		if (ip + 40 > end)
			return false;
		__u32 total = 40 + bpf_ntohs(*(__be16 *)(ip + 4));
		if (ip[0] >> 4 != 6 || total > frame->len)
			return false;
		__u64 *words = (__u64 *)(ip + 8);
		key[0] = words[0], key[2] = words[1], key[3] = words[2], key[4] = words[3];
		protocol = ip[6], rest = total - 40, upper = ip + 40;
		key[5] = (__u64)protocol << 32 | (__u64)(__u8)(ip[0] << 4 | ip[1] >> 4) << 40;
	} else {
		key[5] = (__u64)frame->pcp << 40;
		return true;
	}
	if (!deep)
		return true;
	switch (protocol) {
	case 6: // TCP
		if (rest < 14 || upper + 14 > end)
			return false;
		key[5] |= *(__u32 *)upper | (__u64)(upper[13] & flags) << 48;
		return true;
	case 17: case 33: case 132: case 136: // UDP, DCCP, SCTP, UDP-Lite
		if (rest < 8 || upper + 8 > end)
			return false;
		key[5] |= *(__u32 *)upper;
		return true;
	case 1: case 58: // ICMP: type and code
		if ((protocol == 1) != (frame->ethertype == ETH_P_IP))
			return true;
		if (rest < 2 || upper + 2 > end)
			return false;
		key[5] |= *(__u16 *)upper;
		return true;
	}
	return true;
}

// Was nothing that the flow depends on raised since it was confirmed last? `raised`: all that was, if it was one thing; then
// generations, each in memory of its own, need not be looked at.
static __noinline bool confirm(__u32 at, __u64 since, __u32 raised)
{
	struct depends *list = bpf_map_lookup_elem(&depends, &at);
	if (!list)
		return false;
	for (__u32 i = 0; i < DEPENDS && i < list->count; i++) {
		__u32 index = list->on[i];
		if (raised != MANY) {
			if (index == raised)
				return false;
			continue;
		}
		__u64 *generation = bpf_map_lookup_elem(&generations, &index);
		if (!generation || once(*generation) > since)
			return false;
	}
	return true;
}

// Does what was found still hold: was nothing raised, is the slot still the same?
static __always_inline bool holds(struct hit *hit, const struct cache *cache)
{
	struct flow *flow = hit->flow;
	__u64 since = once(flow->epoch), epoch = once(cache->epoch);
	if (since != epoch) {
		__u64 latest = once(cache->latest);
		__u32 raised = since + 1 == epoch && latest >> 16 == epoch ? latest & 0xffff : MANY;
		if (!confirm(hit->at, since, raised) || once(flow->version) != hit->version)
			return false;
		flow->epoch = epoch;
	}
	return once(flow->version) == hit->version;
}

// May the cache be used just now? Reading the clock costs as much as a third of a hit: once in a tick is enough.
static __always_inline struct cache *in_use(void)
{
	__u32 zero = 0;
	struct cache *found = bpf_map_lookup_elem(&cache, &zero);
	if (!found || !found->enabled)
		return 0;
	__u64 tick = bpf_jiffies64();
	if (found->hold_until && found->checked != tick) {
		if (bpf_ktime_get_coarse_ns() > found->hold_until)
			return 0;
		found->checked = tick;
	}
	return found;
}

// Where the copies of a flood go; as the slot says that still holds.
static __always_inline bool find_copies(const struct hit *hit, struct also *also)
{
	also->tag = hit->action.tag;
	if (!hit->action.also)
		return true;
	struct depends *list = bpf_map_lookup_elem(&depends, &hit->at);
	if (!list)
		return false;
	__builtin_memcpy(also, &list->on[ALSO], sizeof(*also));
	barrier();
	return once(hit->flow->version) == hit->version;
}

static __always_inline bool find_outer(const struct cache *cache, const struct frame *frame, struct hit *hit)
{
	__u8 *addresses = frame->data;
	__u64 key[2] = { *(__u64 *)addresses, *(__u32 *)(addresses + 8) | (__u64)frame->tag << 32 };
	return find(cache->seed, frame->from, key, false, hit);
}

// More has to be looked at, as the slot that was found says.
static __always_inline bool find_inner(const struct cache *cache, const struct frame *frame, struct hit *hit)
{
	__u64 key[6];
	__u32 id = once(hit->flow->id);
	if (once(hit->flow->version) != hit->version)
		return false;
	if (!inner_key(frame, hit->action.kind == LOOK_L4, hit->action.flags, key))
		return false;
	return find(cache->seed, id, key, true, hit) && hit->action.kind == FORWARD;
}

// What forward() looks at in each packet, and not only in the first of a flow: it lives on, its checksum is right, and
// nothing behind it would have to be cut off. (That it has no options and is no fragment, its inner key says.)
static __always_inline bool routable(const struct frame *frame, __u8 routed, bool super)
{
	__u8 *ip = frame->ip;
	if (ip + (routed == 4 ? 20 : 40) > frame->end)
		return false;
	__u32 total = routed == 4 ? bpf_ntohs(*(__be16 *)(ip + 2)) : 40 + bpf_ntohs(*(__be16 *)(ip + 4));
	if (!super && frame->len > total && frame->len > ETH_ZLEN - ETH_HLEN)
		return false;
	if (routed == 6)
		return ip[7] > 1;
	__u64 sum = 0;
	for (int i = 0; i < 20; i += 4)
		sum += *(__u32 *)(ip + i);
	// 2^16 is 1 modulo 0xffff (RFC 1071 2 (C)): the words' halves come together at the end.
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff && ip[8] > 1;
}

// One less to live; the checksum by the difference (RFC 1624 equation 3), as rewrite.rs does it.
static __always_inline void age(__u8 *ip, __u8 routed)
{
	if (routed == 6) {
		ip[7]--;
		return;
	}
	ip[8]--;
	__u32 sum = (__u16)~bpf_ntohs(*(__be16 *)(ip + 10)) + 0xfeff;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be16 *)(ip + 10) = bpf_htons(~sum);
}

// The header of a routed packet as it leaves, in place.
static __always_inline bool rewrite(void *data, __u8 *ip, void *end, const struct flow *flow, __u8 routed)
{
	__u32 *to = data, *macs = (__u32 *)flow->macs;
	if (data + 12 > end || (void *)ip + 20 > end)
		return false;
	to[0] = macs[0], to[1] = macs[1], to[2] = macs[2];
	age(ip, routed);
	return true;
}

// The CPU that was the first to count one of its frames has a flow's counts for itself; others count theirs apart, atomically,
// which costs half of what the whole search does. (With bottom halves off no program that counts interrupts another one.)
static __always_inline void count(const struct hit *hit, __u64 frames, __u64 bytes)
{
	struct flow *flow = hit->flow;
	__u32 cpu = bpf_get_smp_processor_id(), own = cpu < NOBODY - 1 ? cpu + 1 : 0;
	bool mine = hit->action.flags == own && own;
	if (!hit->action.flags && own) {
		struct action claimed = hit->action;
		claimed.flags = own;
		__u32 *word = (__u32 *)&flow->action.kind, before = *(__u32 *)&hit->action.kind;
		mine = __sync_val_compare_and_swap(word, before, *(__u32 *)&claimed.kind) == before;
	}
	if (mine) {
		flow->frames += frames;
		flow->bytes += bytes;
		return;
	}
	struct counts *counts = bpf_map_lookup_elem(&others, &hit->at);
	if (counts) {
		__sync_fetch_and_add(&counts->frames, frames);
		__sync_fetch_and_add(&counts->bytes, bytes);
	}
}

// Nothing of the flow is on its way by this lane. Atomically, of the word with `waiting` at its end: others write it too.
static __always_inline void arrived(struct flow *flow, __u32 lane)
{
	__sync_fetch_and_and((__u32 *)&flow->action.xdp, ~(1u << (16 + lane % LANES)));
}

// Has all that went up before the last of the flow's frames that did been sent on? Then nothing is overtaken.
static __always_inline bool is_drained(struct flow *flow)
{
	__u32 index = flow->credit & 0xffffff;
	__u64 *out = bpf_map_lookup_elem(&consumed, &index);
	return out && flow->mark != UNKNOWN && (__s64)(once(*out) - flow->mark) >= 0;
}

// The same of what went up by this lane: then the flow no longer waits for it.
static __always_inline bool is_ready(struct flow *flow, __u32 lane, __u32 index)
{
	if (flow->credit != (lane << 24 | index) || !is_drained(flow))
		return false;
	arrived(flow, lane);
	return true;
}

// A waiting flow's frame went up by this lane as the `number`th, or was refused when so many had. Lanes are waited for one
// after the other.
static __always_inline void await(struct flow *flow, __u32 lane, __u32 index, __u64 number, bool refused)
{
	if (flow->credit != (lane << 24 | index) && flow->mark != UNKNOWN) {
		if (!is_drained(flow))
			return;
		arrived(flow, flow->credit >> 24);
		flow->mark = UNKNOWN, flow->waited = 0;
	}
	if (refused && flow->mark != UNKNOWN)
		return;
	flow->credit = lane << 24 | index, flow->mark = number;
	if (!refused)
		flow->waited++;
}
