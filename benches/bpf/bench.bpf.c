// SPDX-License-Identifier: MIT OR Apache-2.0
// The generator and the sink of swbench. The generator runs as live frames (BPF_PROG_TEST_RUN): the kernel hands it
// page after page, recycled as the device under test left them, so every header is written afresh. The sink counts,
// checks and drops at XDP, the cheapest place there is.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAGIC 0x4d6f6e61 // "Mona"

// One stream; written by swbench, read by the generator.
struct stream {
	__u32 ifindex; // the frames leave by it
	__u32 flows;   // so many UDP source ports, one after the other
	__u32 smacs;   // so many source addresses, one after the other
	__u32 dmacs;   // so many destination addresses, scattered: each once in a pass
	__u32 vlan;    // 0: untagged; else the TCI
	__u32 stamp;   // 1: write the time into the frame
	__u32 ethertype; // 0: IPv4/UDP; else this
	__u32 targets; // so many IPv4 destinations of the map, one after the other; 0: always 198.19.0.1
	__u32 fresh;   // 1: no flow comes twice: smacs and the source address step once a pass through dmacs or targets
	__u32 repeats; // so many frames of each flow…
	__u32 window;  // …so many flows apart; 0: all flows in turns
	__u8 smac[6];
	__u8 dmac[6];
	__u64 gap;      // nanoseconds from frame to frame; 0: as fast as it goes
	__u64 sequence; // counts up: the generator's own
	__u64 next;     // when the next frame is due: the generator's own
	__u64 spun;     // nanoseconds it waited for that: the generator's own
	__u64 begin;    // the first flow, where there are several frames of each
};

// What the sink saw. One for all CPUs: the one queue of a veth is polled by one of them at a time.
struct seen {
	__u64 frames;
	__u64 bytes;
	__u64 foreign;   // frames that are not ours
	__u64 reordered; // a sequence number below the last one
	__u64 duplicate; // the same as the last one
	__u64 last;      // the last sequence number plus one
	__u64 silence;   // the longest time between two stamped frames, nanoseconds
	__u64 when;      // the last of them
	__u64 latency[64 * 8]; // by log2 and three more bits, nanoseconds
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct stream);
} streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} sink SEC(".maps");

// Destinations, in network byte order; as many as the stream says.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __be32);
} targets SEC(".maps");

static __always_inline void add(__u8 *mac, __u32 by)
{
	// The low three bytes count: 16 M stations.
	__u32 low = (mac[3] << 16 | mac[4] << 8 | mac[5]) + by;
	mac[3] = low >> 16;
	mac[4] = low >> 8;
	mac[5] = low;
}

static long not_due(__u32 turn, __u64 *next)
{
	return bpf_ktime_get_ns() >= *next;
}

static __always_inline int generate(struct xdp_md *ctx, __u32 id)
{
	struct stream *stream = bpf_map_lookup_elem(&streams, &id);
	if (!stream)
		return XDP_ABORTED;
	// The kernel sends frames in batches; between calls of the runner there is no time to be kept, so it is kept here.
	if (stream->gap) {
		__u64 now = bpf_ktime_get_ns(), next = stream->next;
		if (next + 1000000 < now)
			next = now; // late by a millisecond: what was missed is not made up for
		else if (next > now) {
			stream->spun += next - now;
			bpf_loop(1 << 16, not_due, &next, 0);
		}
		stream->next = next + stream->gap;
	}
	__u64 sequence = stream->sequence++, number = sequence;
	if (stream->repeats) {
		// After a flow's first frame comes the second of the one that began a window before, and so on.
		__u64 since = sequence - stream->begin, flow = since / stream->repeats;
		__u64 before = since % stream->repeats * stream->window;
		if (flow < before)
			return XDP_DROP;
		number = stream->begin + flow - before;
	}
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 size = end - data;

	// A tag moves everything behind the addresses by four; the shortest frame holds headers, magic and sequence either way.
	__u8 *at = data;
	if (data + 60 > end)
		return XDP_ABORTED;
	__builtin_memcpy(at, stream->dmac, 6);
	__builtin_memcpy(at + 6, stream->smac, 6);
	if (stream->dmacs > 1)
		add(at, number * 2654435761u % stream->dmacs); // a prime: a permutation
	if (stream->smacs > 1)
		add(at + 6, (stream->fresh && stream->dmacs ? number / stream->dmacs : number) % stream->smacs);
	at += 12;
	__u32 used = 14;
	if (stream->vlan) {
		*(__be16 *)at = bpf_htons(ETH_P_8021Q);
		*(__be16 *)(at + 2) = bpf_htons(stream->vlan);
		at += 4;
		used += 4;
	}
	*(__be16 *)at = bpf_htons(stream->ethertype ? stream->ethertype : ETH_P_IP);
	at += 2;
	__u8 *ip = at;
	__u16 total = size - used;
	ip[0] = 0x45, ip[1] = 0;
	*(__be16 *)(ip + 2) = bpf_htons(total);
	*(__u32 *)(ip + 4) = 0;
	ip[8] = 64, ip[9] = 17;
	*(__be16 *)(ip + 10) = 0;
	__u32 source = 0xc6120001; // 198.18.0.1, RFC 2544 C.2.2
	__be32 destination = bpf_htonl(0xc6130001);
	if (stream->targets) {
		__u32 index = number % stream->targets;
		__be32 *target = bpf_map_lookup_elem(&targets, &index);
		if (target)
			destination = *target;
		if (stream->fresh)
			source += (__u16)(number / stream->targets);
	}
	*(__be32 *)(ip + 12) = bpf_htonl(source);
	*(__be32 *)(ip + 16) = destination;
	__u32 sum = 0;
#pragma unroll
	for (int i = 0; i < 20; i += 2)
		sum += *(__be16 *)(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be16 *)(ip + 10) = ~sum;
	__u8 *udp = ip + 20;
	*(__be16 *)udp = bpf_htons(1024 + (stream->flows > 1 ? sequence % stream->flows : 0));
	*(__be16 *)(udp + 2) = bpf_htons(9);
	*(__be16 *)(udp + 4) = bpf_htons(total - 20);
	*(__be16 *)(udp + 6) = 0;
	// The magic with the stream's number, the sequence, and the time where it fits.
	__u8 *payload = udp + 8;
	*(__u32 *)payload = MAGIC + id;
	*(__u64 *)(payload + 4) = sequence;
	if (stream->stamp && payload + 20 <= (__u8 *)end)
		*(__u64 *)(payload + 12) = bpf_ktime_get_ns();
	return bpf_redirect(stream->ifindex, 0);
}

SEC("xdp") int generate_0(struct xdp_md *ctx) { return generate(ctx, 0); }

SEC("xdp") int count(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct seen *seen = bpf_map_lookup_elem(&sink, &zero);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (!seen)
		return XDP_DROP;
	__u8 *at = data + 14;
	// The stack behind answers for the addresses that the device asks for.
	if (data + 14 <= end && *(__be16 *)(data + 12) == bpf_htons(ETH_P_ARP))
		return XDP_PASS;
	if (data + 60 > end) {
		seen->foreign++;
		return XDP_DROP;
	}
	if (*(__be16 *)(data + 12) == bpf_htons(ETH_P_8021Q))
		at += 4;
	__u8 *payload = at + 28;
	if (payload + 12 > (__u8 *)end || (*(__u32 *)payload & ~0xfu) != (MAGIC & ~0xfu)) {
		seen->foreign++;
		return XDP_DROP;
	}
	seen->frames++;
	seen->bytes += end - data;
	__u64 sequence = *(__u64 *)(payload + 4) + 1;
	if (sequence < seen->last)
		seen->reordered++;
	else if (sequence == seen->last)
		seen->duplicate++;
	seen->last = sequence;
	if (payload + 20 <= (__u8 *)end && *(__u64 *)(payload + 12)) {
		__u64 now = bpf_ktime_get_ns(), spent = now - *(__u64 *)(payload + 12);
		if (seen->when && now - seen->when > seen->silence)
			seen->silence = now - seen->when;
		seen->when = now;
		// Eight steps to an octave.
		__u32 log = 0;
		__u64 rest = spent;
		if (rest >> 32) { log += 32; rest >>= 32; }
		if (rest >> 16) { log += 16; rest >>= 16; }
		if (rest >> 8) { log += 8; rest >>= 8; }
		if (rest >> 4) { log += 4; rest >>= 4; }
		if (rest >> 2) { log += 2; rest >>= 2; }
		if (rest >> 1) log += 1;
		__u32 slot = log < 3 ? spent : log * 8 + ((spent >> (log - 3)) & 7);
		if (slot < 64 * 8)
			seen->latency[slot]++;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
