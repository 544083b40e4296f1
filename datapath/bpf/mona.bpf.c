// The backplane's three programs. A port's ingress replays what is known of a frame's flow, or steers the frame, tagged with
// the port's number, to its worker; the ingress of the pair's ends stops what the raw socket took its copy of; a port's
// egress passes what workers send and what is replayed, and nothing else.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

#define PORTS 4096
// What workers mark frames with; the port's egress takes the mark off again.
#define MARK 0x4d6f6e61

struct port {
	__u32 near;   // ifindex of its worker's near end…
	__u32 far;    // …and of its far end
	__u32 urgent; // ifindex of the near end for reserved addresses
	__u32 worker;
	__u32 number; // 1..=4094
};

// By ifindex: who the frame's port is. Written by control.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

// Frames that went towards the ring, by worker * PORTS + port; entry 0 of a worker is their sum. Written here.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u64);
} admitted SEC(".maps");

// Those of them that came out of the ring or are known to be lost. Written by the worker.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u64);
} consumed SEC(".maps");

// By port number: frames refused for want of credit.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

// Slots of a worker's ring.
volatile const __u32 slots = 512;

// What a port has at its worker: frames admitted to its ring, and those of them that are through.
struct at_worker {
	__u64 *all, *own;
	__u64 all_out, own_out;
};

static __always_inline int at_worker(const struct port *port, struct at_worker *at)
{
	__u32 base = port->worker * PORTS, own = base + port->number;
	__u64 *all_out = bpf_map_lookup_elem(&consumed, &base), *own_out = bpf_map_lookup_elem(&consumed, &own);
	at->all = bpf_map_lookup_elem(&admitted, &base);
	at->own = bpf_map_lookup_elem(&admitted, &own);
	if (!at->all || !at->own || !all_out || !own_out)
		return 0;
	at->all_out = *(volatile __u64 *)all_out, at->own_out = *(volatile __u64 *)own_out;
	return 1;
}

// A port may hold as many slots as it leaves free: one port half of the ring, n ports n/(n+1).
static __always_inline int has_credit(const struct at_worker *at)
{
	__s64 total = *at->all - at->all_out, mine = *at->own - at->own_out;
	return mine <= 0 || mine + (total > 0 ? total : 0) < (__s64)slots;
}

static __always_inline int refuse(const struct port *port)
{
	__u32 number = port->number;
	__u64 *lost = bpf_map_lookup_elem(&refused, &number);
	if (lost)
		__sync_fetch_and_add(lost, 1);
	return TC_ACT_SHOT;
}

// The frame is not replayed: its worker gets it.
#define UP (-1)

// Frames of the flow that went to the worker must leave before those that are replayed. It waits until all that the port has
// there are through; where the port is out of credit, which loses frames in any case, its own stop until then.
static __always_inline int wait(struct flow *flow, const struct port *port)
{
	struct at_worker at;
	if (!at_worker(port, &at))
		return UP;
	__u64 mark = flow->mark;
	if ((__s64)(at.own_out - (mark ? mark : *at.own)) >= 0) {
		flow->waiting = 0;
		return 0;
	}
	if (!mark && !has_credit(&at))
		mark = flow->mark = *at.own;
	return mark ? refuse(port) : UP;
}

// The flow of a frame, if there is one that holds, and what it does.
static __always_inline struct flow *recall(struct __sk_buff *skb, const struct port *port, __u16 tci, struct packet *packet,
					   struct action *action)
{
	__u32 zero = 0, at, version;
	const struct cache *table = bpf_map_lookup_elem(&cache, &zero);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (!table || bpf_ktime_get_coarse_ns() > table->hold || data + ETH_HLEN > end)
		return 0;
	struct key key = {};
	__u64 tag = skb->vlan_present ? TAGGED | (tci & 0xfff) : 0;
	__builtin_memcpy(&key.word[0], data, 8);
	key.word[1] = *(__u32 *)(data + 8) | tag << 32 | (__u64)port->number << 48;
	struct flow *flow = find(table, &key, 2, &at, &version);
	if (!flow)
		return 0;
	__u8 kind = flow->kind;
	if (kind != FORWARD) {
		__u16 type = *(__u16 *)(data + 12);
		void *ip = data + ETH_HLEN;
		__builtin_memset(&key, 0, sizeof(key));
		if (!read_packet(ip, end, type, packet, &key) || packet->length > skb->len - ETH_HLEN)
			return 0;
		__u64 tos = packet->header ? packet->tos : tci >> 13;
		key.word[1] = (at | version >> 1 << 18) | (__u64)type << 32 | INNER;
		key.word[5] = (__u64)packet->protocol << 32 | tos << 40;
		if (kind == LOOK_L4 && packet->header &&
		    !read_upper(ip + packet->header, end, packet, flow->flags, &key.word[5]))
			return 0;
		flow = find(table, &key, 6, &at, &version);
		if (!flow || flow->kind != FORWARD)
			return 0;
	}
	if (!holds(flow, at, table))
		return 0;
	action->ifindex = flow->ifindex, action->mtu = flow->mtu, action->tag = flow->tag, action->routed = flow->routed;
	__builtin_memcpy(action->macs, flow->dst, sizeof(action->macs));
	// What was read is of one flow.
	barrier();
	return *(volatile __u32 *)&flow->version == version ? flow : 0;
}

// Replays the flow of a frame, if it is known; what is not plain goes up.
static __always_inline int replay(struct __sk_buff *skb, const struct port *port)
{
	if (skb->vlan_present && skb->vlan_proto != bpf_htons(ETH_P_8021Q))
		return UP;
	__u16 tci = skb->vlan_present ? skb->vlan_tci : 0, tag = skb->vlan_present ? TAGGED | (tci & 0xfff) : 0;
	struct packet packet = {};
	struct action action;
	struct flow *flow = recall(skb, port, tci, &packet, &action);
	if (!flow)
		return UP;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end, *ip = data + ETH_HLEN;
	if (ip > end)
		return UP;
	__u32 payload = skb->len - ETH_HLEN, segments = 1, bytes = skb->len, size = skb->gso_size;
	if (size) {
		__u32 headers = segment_headers(ip, end, *(__u16 *)(data + 12));
		if (!headers || headers >= payload)
			return UP;
		segments = (payload - headers + size - 1) / size;
		bytes += (segments - 1) * (ETH_HLEN + headers);
		payload = headers + size;
	}
	// A frame that is too short without its tag is padded.
	if (payload > action.mtu || (tag && !action.tag && skb->len < MIN_FRAME))
		return UP;
	if (action.routed) {
		if (packet.ttl <= 1 || (packet.header == 20 && !checks(ip, end)))
			return UP;
		// Padding does not go further than its link (RFC 1812 5.2.2).
		__u32 whole = tag ? MIN_FRAME - 4 : MIN_FRAME;
		if (!size && skb->len > whole && skb->len > ETH_HLEN + packet.length)
			return UP;
	}
	if (flow->waiting) {
		int waits = wait(flow, port);
		if (waits)
			return waits;
	}
	__sync_fetch_and_add(&flow->frames, segments);
	__sync_fetch_and_add(&flow->bytes, bytes);
	if (action.routed) {
		if (ip + 20 > end)
			return TC_ACT_SHOT;
		__builtin_memcpy(data, action.macs, sizeof(action.macs));
		live_less(ip, packet.header);
	}
	if (tag != action.tag) {
		if (tag && bpf_skb_vlan_pop(skb))
			return TC_ACT_SHOT;
		if (action.tag && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), (tci & 0xf000) | (action.tag & 0xfff)))
			return TC_ACT_SHOT;
	}
	skb->mark = MARK;
	return bpf_redirect(action.ifindex, 0);
}

// To its worker.
static __always_inline int steer(struct __sk_buff *skb, const struct port *port)
{
	__u32 number = port->number, near = port->near, far = port->far;
	struct at_worker at;
	if (!at_worker(port, &at))
		return TC_ACT_SHOT;
	if (!has_credit(&at))
		return refuse(port);
	__sync_fetch_and_add(at.all, 1);
	__sync_fetch_and_add(at.own, 1);
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), number))
		return TC_ACT_SHOT;
	// Straight in at the far end saves a hop. A super-frame goes by the near end, whose features say which ones the
	// kernel must cut because the virtio header cannot describe them.
	return skb->gso_size ? bpf_redirect(near, 0) : bpf_redirect(far, BPF_F_INGRESS);
}

// 802.1Q-2018 table 8-1: bridge protocols must not wait behind data.
static __always_inline int is_reserved(const __u16 *dst)
{
	return dst[0] == bpf_htons(0x0180) && dst[1] == bpf_htons(0xc200) && (dst[2] & bpf_htons(0xfff0)) == 0;
}

SEC("classifier")
int port_in(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (!port || data + ETH_HLEN > end)
		return TC_ACT_SHOT;
	if (is_reserved(data)) {
		if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), port->number))
			return TC_ACT_SHOT;
		return bpf_redirect(port->urgent, 0);
	}
	int replayed = replay(skb, port);
	return replayed == UP ? steer(skb, port) : replayed;
}

SEC("classifier")
int far_in(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("classifier")
int port_out(struct __sk_buff *skb)
{
	if (skb->mark != MARK)
		return TC_ACT_SHOT;
	skb->mark = 0;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
