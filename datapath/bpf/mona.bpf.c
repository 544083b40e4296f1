// The programs of ports. A port's ingress replays what is known of a frame's flow, or steers the frame, tagged with the port's
// number, to its worker; the ingress of the pair's ends stops what the raw socket took its copy of; a port's egress passes what
// workers send and what is replayed, and nothing else. Before all that an `xdp` port gives frames to the socket of the queue
// they came in on (what sockets send does not come by here).
#include "flow.h"
#include <linux/pkt_cls.h>

// What is sent on is marked with, for the port's egress, which takes the mark off again; or, on its way to a fan-out
// (io/fanout.rs), with the upper half of it and the number of the list.
#define MARK 0x4d6f6e61
#define FANOUT(list) ((MARK & 0xffff0000) | (list))
// Queues that all xdp ports have, at most.
#define QUEUES 4096
// Frames on their way to a socket or in its worker's hands, at most: somewhat less than its rings have room for, so that
// none is lost behind the count and bridge protocols find a place.
#define DEPTH 960
// Of its worker's ring a port may hold so many times what it leaves free.
#define SHARE 3
// No verdict: userspace decides.
#define UP -2

struct port {
	__u32 near;   // ifindex of its worker's near end…
	__u32 far;    // …and of its far end
	__u32 urgent; // ifindex of the near end for reserved addresses
	__u32 worker;
	__u32 number; // 1..=4094
	__u32 base;   // of an xdp port: where its queues' sockets begin…
	__u32 queues; // …how many there are…
	__u32 native; // …and whether the driver runs its program
	__u32 fan;    // ifindex of the device at which fan-outs are; 0: none
};

// By ifindex: who the frame's port is. Written by control.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

// By port number: frames refused for want of credit; entry 0 is their sum.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

// By queue. Written by control.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

// Where the counts of sockets begin, behind those of workers.
volatile const __u32 socket_counts = PORTS;
// Slots of a worker's ring.
volatile const __u32 slots = 512;
// Are flows looked for? Where the kernel does not take the program with that, it takes it without.
volatile const __u32 remembers = 1;

static __always_inline __s64 in_flight(__u32 index, __u64 **count)
{
	__u64 *in = bpf_map_lookup_elem(&admitted, &index);
	__u64 *out = bpf_map_lookup_elem(&consumed, &index);
	if (!in || !out)
		return 1 << 30;
	*count = in;
	return (__s64)(*in - once(*out));
}

// The frame with its tag beside it, as the kernel has it wherever it came from.
static __always_inline bool view(struct __sk_buff *skb, struct frame *frame)
{
	frame->data = (void *)(long)skb->data, frame->end = (void *)(long)skb->data_end;
	frame->ip = frame->data + ETH_HLEN;
	return frame->ip <= frame->end;
}

// Of a super-frame: the headers that each segment has. 0: unknown, as those of tunnels are.
static __always_inline __u32 headers(const struct frame *frame)
{
	__u8 *ip = frame->ip, *end = frame->end;
	if (frame->ethertype == ETH_P_IP && ip + 33 <= end && ip[0] == 0x45 && ip[9] == 6)
		return ETH_HLEN + 20 + (ip[20 + 12] >> 4) * 4;
	if (frame->ethertype == ETH_P_IPV6 && ip + 53 <= end && ip[6] == 6)
		return ETH_HLEN + 40 + (ip[40 + 12] >> 4) * 4;
	return 0;
}

// Changes the tag where it differs; priority and DEI stay.
static __always_inline bool tag(struct __sk_buff *skb, __u16 from, __u16 to)
{
	__u16 tci = from ? skb->vlan_tci & 0xf000 : 0;
	if (from == to)
		return true;
	if (from && bpf_skb_vlan_pop(skb))
		return false;
	return !to || !bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tci | (to & 0xfff));
}

static __always_inline bool route(struct __sk_buff *skb, const struct flow *flow, __u8 routed)
{
	void *data = (void *)(long)skb->data;
	if (!rewrite(data, data + ETH_HLEN, (void *)(long)skb->data_end, flow, routed))
		return false;
	// A sum of the whole packet, if the device made one, knows of the hop limit; an IPv4 header's sum stays what it is.
	if (routed == 6)
		bpf_csum_update(skb, ~(__u32)bpf_htons(1));
	return true;
}

// Copies of a flood leave, all but the last; or all that a fan-out does not send. Where to then?
static __always_inline __u32 spread(struct __sk_buff *skb, __u32 from, const struct action *action, const struct also *also)
{
	__u32 to = action->ifindex, count = action->also;
	if (also->fanout)
		count = also->turn < count ? also->turn + 1 : 0;
	for (__u32 i = 0; i < COPIES - 1 && i < count; i++) {
		bpf_clone_redirect(skb, to, 0);
		if (i == also->turn && !tag(skb, action->tag, also->tag))
			return 0;
		to = also->ifindex[i];
	}
	if (!also->fanout)
		return to;
	struct port *port = bpf_map_lookup_elem(&ports, &from);
	skb->mark = FANOUT(also->fanout);
	return port ? port->fan : 0;
}

// Sends the frame on as it was decided before, if it was. Anything out of the ordinary is for userspace.
static __always_inline int replay(struct __sk_buff *skb, struct hit *hit)
{
	struct cache *cache = in_use();
	struct frame frame = { .from = skb->ifindex, .len = skb->len - ETH_HLEN };
	if (!cache || !view(skb, &frame))
		return UP;
	if (skb->vlan_present) {
		if (skb->vlan_proto != bpf_htons(ETH_P_8021Q))
			return UP;
		frame.tag = 0x1000 | (skb->vlan_tci & 0xfff), frame.pcp = skb->vlan_tci >> 13;
	}
	if (!find_outer(cache, &frame, hit))
		return UP;
	bool super = skb->gso_size, deeper = hit->action.kind != FORWARD;
	if (super || deeper) {
		frame.ethertype = bpf_ntohs(*(__be16 *)(frame.data + 12));
		// Not a byte more: of a super-frame it would be one of what the header is followed by, and that lies elsewhere.
		__u32 deepest = frame.ethertype == ETH_P_IPV6 ? DEEPEST_IPV6 : DEEPEST_IPV4;
		if (frame.data + deepest > frame.end && frame.len > frame.end - frame.ip) {
			bpf_skb_pull_data(skb, skb->len < deepest ? skb->len : deepest);
			if (!view(skb, &frame))
				return UP;
		}
		if (deeper && !find_inner(cache, &frame, hit))
			return UP;
	}
	struct flow *flow = hit->flow;
	const struct action *action = &hit->action;
	struct also also;
	if (!holds(hit, cache) || !find_copies(hit, &also))
		return UP;
	__u32 frames = 1, bytes = skb->len, payload = frame.len;
	if (super) {
		__u32 header = headers(&frame);
		if (!header || header >= skb->len)
			return UP;
		frames = (skb->len - header + skb->gso_size - 1) / skb->gso_size;
		bytes += (frames - 1) * header;
		payload = header + skb->gso_size - ETH_HLEN;
	}
	// A runt that a removed tag leaves behind is padded, what is too large is dropped.
	if (payload > action->mtu || (frame.tag && (!action->tag || !also.tag) && skb->len < ETH_ZLEN))
		return UP;
	if (action->routed && !routable(&frame, action->routed, super))
		return UP;
	if (action->waiting & 1u << TC_LANE) {
		struct port *port = bpf_map_lookup_elem(&ports, &frame.from);
		if (!port || !is_ready(flow, TC_LANE, port->worker * PORTS + port->number))
			return UP;
	}
	count(hit, frames, bytes);
	if (action->routed && !route(skb, flow, action->routed))
		return TC_ACT_SHOT;
	if (!tag(skb, frame.tag, action->tag))
		return TC_ACT_SHOT;
	skb->mark = MARK;
	return bpf_redirect(action->also ? spread(skb, frame.from, action, &also) : action->ifindex, 0);
}

static __always_inline int refuse(__u32 number)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&refused, &number), *sum = bpf_map_lookup_elem(&refused, &zero);
	if (lost && sum) {
		__sync_fetch_and_add(lost, 1);
		__sync_fetch_and_add(sum, 1);
	}
	return TC_ACT_SHOT;
}

// 802.1Q-2018 table 8-1: bridge protocols must not wait behind data.
static __always_inline bool is_reserved(const __u16 *d)
{
	return d[0] == bpf_htons(0x0180) && d[1] == bpf_htons(0xc200) && (d[2] & bpf_htons(0xfff0)) == 0;
}

// Steers a frame to the port's worker. `waiting` is its flow, if that is to be replayed once this frame was sent on.
static __always_inline int up(struct __sk_buff *skb, struct flow *waiting)
{
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port)
		return TC_ACT_SHOT;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN > end)
		return TC_ACT_SHOT;
	__u32 number = port->number, near = port->near, far = port->far;
	if (is_reserved(data)) {
		near = port->urgent, far = 0;
	} else {
		__u32 base = port->worker * PORTS;
		__u64 *all = 0, *own = 0;
		__s64 total = in_flight(base, &all), mine = in_flight(base + number, &own);
		if (!all || !own)
			return TC_ACT_SHOT;
		// A flow of which there is always a frame on its way would wait for ever: it loses what comes in that time.
		bool patient = !waiting || waiting->waited < PATIENCE;
		// One port three quarters, n ports 3n/(3n+1).
		bool room = mine <= 0 || mine + SHARE * (total > 0 ? total : 0) < SHARE * (__s64)slots;
		if (!patient || !room) {
			if (waiting) {
				await(waiting, TC_LANE, base + number, *own, true);
				waiting->waited = PATIENCE;
			}
			return refuse(number);
		}
		__sync_fetch_and_add(all, 1);
		__u64 before = __sync_fetch_and_add(own, 1);
		if (waiting)
			await(waiting, TC_LANE, base + number, before + 1, false);
	}
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), number))
		return TC_ACT_SHOT;
	// The socket asks for the time of each frame that has none, and nobody reads it.
	skb->tstamp = 1;
	// Straight in at the far end saves a hop. A super-frame goes by the near end, whose features say which ones the
	// kernel must cut because the virtio header cannot describe them.
	if (far && !skb->gso_size)
		return bpf_redirect(far, BPF_F_INGRESS);
	return bpf_redirect(near, 0);
}

// Was a flow found that is to be replayed once this frame was sent on?
static __always_inline bool waits(const struct hit *hit, __u32 lane)
{
	return hit->flow && hit->action.kind == FORWARD && hit->action.waiting & 1u << lane;
}

static __always_inline int take_in(struct __sk_buff *skb)
{
	struct hit hit = {};
	int verdict = remembers ? replay(skb, &hit) : UP;
	if (verdict != UP)
		return verdict;
	return up(skb, waits(&hit, TC_LANE) ? hit.flow : 0);
}

SEC("classifier")
int port_in(struct __sk_buff *skb)
{
	return take_in(skb);
}

// Where the kernel runs the XDP program it may have copied the frame for it, and forgotten on that how long the header is
// (Linux 6.9 and later; not of tagged ones): the frame seems to begin behind it, and gets it back.
SEC("classifier")
int generic_in(struct __sk_buff *skb)
{
	__u16 header[ETH_HLEN / 2], first[ETH_HLEN / 2] = {}, differs = 0;
	if (bpf_skb_load_bytes_relative(skb, 0, header, sizeof(header), BPF_HDR_START_MAC))
		return TC_ACT_SHOT;
	bpf_skb_load_bytes(skb, 0, first, sizeof(first));
	for (int i = 0; i < ETH_HLEN / 2; i++)
		differs |= header[i] ^ first[i];
	if (differs && (bpf_skb_change_head(skb, sizeof(header), 0) || bpf_skb_store_bytes(skb, 0, header, sizeof(header), 0)))
		return TC_ACT_SHOT;
	return take_in(skb);
}

#include "xdp.h"
#include "live.h"

SEC("classifier")
int far_in(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("classifier")
int port_out(struct __sk_buff *skb)
{
	if (FANOUT(0) != (skb->mark & 0xffff0000))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
