// Frames that a worker sends many at a time, as io/live.rs has them: the kernel runs live_out once for each (BPF_PROG_TEST_RUN with
// live frames), which makes the next of the worker's slots a frame that is received; there live_in sends it on by its port.
#pragma once

// Frames of a worker, at most.
#define TOGETHER 128

struct slot {
	__u32 ifindex; // where to
	__u32 len;
	__u8 bytes[1336];
};

struct progress {
	__u64 taken;  // slots, since the worker set it to zero
	__u64 passed; // frames that left, since ever
	__u64 rest[6];
};

// What stands before each frame. The worker's number comes with the call.
struct meta {
	__u32 worker, ifindex;
};

// By worker * TOGETHER + the frame's number. Written by the worker.
ARRAY(live_slots, TOGETHER, __u32, struct slot);
// By worker.
ARRAY(live_progress, 1, __u32, struct progress);

SEC("xdp")
int live_out(struct xdp_md *ctx)
{
	struct meta *meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return XDP_DROP;
	__u32 worker = meta->worker;
	struct progress *progress = bpf_map_lookup_elem(&live_progress, &worker);
	if (!progress || progress->taken >= TOGETHER)
		return XDP_DROP;
	__u32 at = worker * TOGETHER + progress->taken++;
	struct slot *slot = bpf_map_lookup_elem(&live_slots, &at);
	if (!slot)
		return XDP_DROP;
	meta->ifindex = slot->ifindex;
	__u32 len = slot->len, has = bpf_xdp_get_buff_len(ctx);
	if (len < ETH_HLEN || len > sizeof(slot->bytes))
		return XDP_DROP;
	if (len != has && bpf_xdp_adjust_tail(ctx, (int)len - (int)has))
		return XDP_DROP;
	return bpf_xdp_store_bytes(ctx, 0, slot->bytes, len) ? XDP_DROP : XDP_PASS;
}

SEC("classifier")
int live_in(struct __sk_buff *skb)
{
	struct meta *meta = (void *)(long)skb->data_meta;
	if ((void *)(meta + 1) > (void *)(long)skb->data)
		return TC_ACT_SHOT;
	__u32 worker = meta->worker, ifindex = meta->ifindex;
	struct progress *progress = bpf_map_lookup_elem(&live_progress, &worker);
	if (!progress)
		return TC_ACT_SHOT;
	progress->passed++;
	skb->mark = MARK;
	return bpf_redirect(ifindex, 0);
}
