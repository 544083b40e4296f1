// What an `xdp` port has before the programs of the others: it sends on what it can send itself, leaves to TC what is known but
// takes more than a frame's bytes, and gives the rest to the socket of the frame's queue.
#pragma once

// Longer than this may be a super-frame, which only TC sees as one; a driver that runs the program has none.
#define LONGEST (ETH_FRAME_LEN + 8)

// The frame with its tag in it, as XDP has it.
static __always_inline bool parse(struct xdp_md *ctx, struct frame *frame)
{
	frame->data = (void *)(long)ctx->data, frame->end = (void *)(long)ctx->data_end;
	frame->ip = frame->data + ETH_HLEN;
	frame->from = ctx->ingress_ifindex;
	if (frame->ip > frame->end)
		return false;
	frame->len = bpf_xdp_get_buff_len(ctx) - ETH_HLEN;
	__u16 type = *(__u16 *)(frame->data + 12);
	if (type == bpf_htons(ETH_P_8021Q)) {
		if (frame->data + ETH_HLEN + 4 > frame->end)
			return false;
		__u16 tci = bpf_ntohs(*(__be16 *)(frame->data + ETH_HLEN));
		frame->tag = 0x1000 | (tci & 0xfff), frame->pcp = tci >> 13;
		frame->ip = frame->data + ETH_HLEN + 4, frame->len -= 4;
		type = *(__u16 *)(frame->data + ETH_HLEN + 2);
	}
	frame->ethertype = bpf_ntohs(type);
	return type != bpf_htons(ETH_P_8021AD) || frame->tag;
}

// May a sender on this machine (or a guest's host) have left the checksum to its device? XDP sees it only in the frame: the sum
// of the pseudo header stands there (as in offload.rs). TC sees it beside.
static __always_inline bool is_partial(const struct frame *frame)
{
	__u8 *ip = frame->ip, *end = frame->end, *upper, protocol;
	__u32 sum = 0;
	if (frame->ethertype == ETH_P_IP) {
		if (ip + 20 > end || ip[0] != 0x45)
			return true;
		// Of what is to be fragmented the sum is completed before.
		if (*(__be16 *)(ip + 6) & bpf_htons(0x3fff))
			return false;
		protocol = ip[9], upper = ip + 20;
		for (int i = 12; i < 20; i += 2)
			sum += *(__u16 *)(ip + i);
		sum += bpf_htons(bpf_ntohs(*(__be16 *)(ip + 2)) - 20);
	} else if (frame->ethertype == ETH_P_IPV6) {
		if (ip + 40 > end)
			return true;
		protocol = ip[6], upper = ip + 40;
		for (int i = 8; i < 40; i += 2)
			sum += *(__u16 *)(ip + i);
		sum += *(__u16 *)(ip + 4);
	} else {
		return frame->ethertype == ETH_P_8021Q || frame->ethertype == ETH_P_8021AD;
	}
	sum += bpf_htons(protocol);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	switch (protocol) {
	case 6:
		return upper + 18 > end || *(__u16 *)(upper + 16) == (__u16)sum;
	case 17:
		return upper + 8 > end || *(__u16 *)(upper + 6) == (__u16)sum;
	case 1: case 2: case 58: case 89: // ICMP, IGMP, OSPF
		return false;
	}
	// In tunnels, and in others than these, anything may be left to be done.
	return true;
}

// Changes the tag where it differs; priority and DEI stay.
static __always_inline bool retag(struct xdp_md *ctx, __u16 from, __u16 to)
{
	__u32 macs[3];
	if (from == to)
		return true;
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + 4 > end)
		return false;
	if (from && to) {
		__u16 tci = bpf_ntohs(*(__be16 *)(data + ETH_HLEN));
		*(__be16 *)(data + ETH_HLEN) = bpf_htons((tci & 0xf000) | (to & 0xfff));
		return true;
	}
	__u32 *at = (__u32 *)data;
	macs[0] = at[0], macs[1] = at[1], macs[2] = at[2];
	if (bpf_xdp_adjust_head(ctx, from ? 4 : -4))
		return false;
	data = (void *)(long)ctx->data, end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + 4 > end)
		return false;
	at = (__u32 *)data;
	at[0] = macs[0], at[1] = macs[1], at[2] = macs[2];
	if (to) {
		*(__be16 *)(data + 12) = bpf_htons(ETH_P_8021Q);
		*(__be16 *)(data + ETH_HLEN) = bpf_htons(to & 0xfff);
	}
	return true;
}

// Where the frames of a queue are counted.
static __always_inline __u32 count_of(const struct port *port, __u32 queue)
{
	return socket_counts + port->base + queue;
}

static __always_inline __u32 lane_of(__u32 queue)
{
	return 1 + queue % (LANES - 1);
}

// Is the flow done with waiting for what went up by the frame's lane?
static __always_inline bool has_waited(struct xdp_md *ctx, struct flow *flow)
{
	__u32 ifindex = ctx->ingress_ifindex, queue = ctx->rx_queue_index;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port || !is_ready(flow, lane_of(queue), count_of(port, queue)))
		return false;
	// Mostly nothing is on its way by TC, which else has to see for itself.
	__u64 *in;
	if (in_flight(port->worker * PORTS + port->number, &in) <= 0)
		arrived(flow, TC_LANE);
	return true;
}

// As replay(), of a frame as XDP has it.
static __always_inline int send_on(struct xdp_md *ctx, struct hit *hit)
{
	struct cache *cache = in_use();
	struct frame frame = {};
	if (!cache || !parse(ctx, &frame) || !find_outer(cache, &frame, hit))
		return UP;
	if (hit->action.kind != FORWARD && !find_inner(cache, &frame, hit))
		return UP;
	struct flow *flow = hit->flow;
	const struct action *action = &hit->action;
	__u32 bytes = ETH_HLEN + frame.len;
	if (!holds(hit, cache))
		return UP;
	if (frame.len > action->mtu || (frame.tag && !action->tag && bytes < ETH_ZLEN))
		return UP;
	if (action->routed && !routable(&frame, action->routed, false))
		return UP;
	if (waits(hit, lane_of(ctx->rx_queue_index)) && !has_waited(ctx, flow))
		return UP;
	if (!action->xdp || is_partial(&frame))
		return XDP_PASS;
	count(hit, 1, bytes);
	if (action->routed && !rewrite(frame.data, frame.ip, frame.end, flow, action->routed))
		return XDP_DROP;
	if (!retag(ctx, frame.tag, action->tag))
		return XDP_DROP;
	return bpf_redirect(action->ifindex, 0);
}

// To the socket of its queue; dropped where there is none. `waiting` is its flow, if that is to be replayed once this frame was
// sent on.
static __always_inline int to_socket(struct xdp_md *ctx, struct flow *waiting)
{
	__u32 ifindex = ctx->ingress_ifindex, queue = ctx->rx_queue_index;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN > end)
		return XDP_DROP;
	// All that the frame says is asked before the first call: the compiler would keep its pointers on the stack and later write
	// half a word over one, which the verifier refuses without CAP_PERFMON.
	bool reserved = is_reserved(data), large = bpf_xdp_get_buff_len(ctx) > LONGEST;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port || queue >= port->queues)
		return XDP_DROP;
	if (!port->native && large)
		return XDP_PASS;
	__u32 index = count_of(port, queue), lane = lane_of(queue), number = port->number;
	__u64 *in = 0;
	__s64 flying = in_flight(index, &in);
	if (!in)
		return XDP_DROP;
	if (reserved) {
		waiting = 0;
	} else if (flying >= DEPTH || (waiting && waiting->waited >= PATIENCE)) {
		if (waiting) {
			await(waiting, lane, index, *in, true);
			waiting->waited = PATIENCE;
		}
		refuse(number);
		return XDP_DROP;
	}
	int verdict = bpf_redirect_map(&sockets, port->base + queue, XDP_DROP);
	if (verdict != XDP_REDIRECT)
		return verdict;
	__u64 before = __sync_fetch_and_add(in, 1);
	if (waiting)
		await(waiting, lane, index, before + 1, false);
	return XDP_REDIRECT;
}

SEC("xdp.frags")
int xdp_in(struct xdp_md *ctx)
{
	struct hit hit = {};
	int verdict = remembers ? send_on(ctx, &hit) : UP;
	if (verdict != UP)
		return verdict;
	return to_socket(ctx, waits(&hit, lane_of(ctx->rx_queue_index)) ? hit.flow : 0);
}
