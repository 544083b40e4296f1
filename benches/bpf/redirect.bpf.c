// SPDX-License-Identifier: MIT OR Apache-2.0
// What any switch on these veths can be measured against: a redirect by one look-up in a hash map and nothing else, at tcx
// and at XDP. What is not in the map is dropped.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct station {
	__u8 mac[ETH_ALEN];
	__u16 port; // frames come in by it
};

// The netdev by which frames for a station leave.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__type(key, struct station);
	__type(value, __u32);
} stations SEC(".maps");

static __always_inline __u32 *find(void *data, void *end, __u32 port)
{
	struct station station = { .port = port };
	if (data + ETH_HLEN > end)
		return 0;
	__builtin_memcpy(station.mac, data, ETH_ALEN);
	return bpf_map_lookup_elem(&stations, &station);
}

SEC("classifier") int redirect_tc(struct __sk_buff *skb)
{
	__u32 *to = find((void *)(long)skb->data, (void *)(long)skb->data_end, skb->ifindex);
	return to ? bpf_redirect(*to, 0) : TC_ACT_SHOT;
}

SEC("xdp") int redirect_xdp(struct xdp_md *ctx)
{
	__u32 *to = find((void *)(long)ctx->data, (void *)(long)ctx->data_end, ctx->ingress_ifindex);
	return to ? bpf_redirect(*to, 0) : XDP_DROP;
}

char _license[] SEC("license") = "Dual MIT/GPL";
