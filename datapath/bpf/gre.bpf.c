// A tunnel for tests where the kernel has no GRE devices: one end wraps what leaves, as a gre device does (RFC 2784: the
// outer header, 4 bytes, the packet), super-frames whole (the kernel knows them as SKB_GSO_GRE then); the other unwraps.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct outer {
	struct iphdr ip;
	__be16 flags, protocol;
};

// Super-frames that were wrapped; packets that were unwrapped, and of these such as no wire carries.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &which);
	if (counter)
		__sync_fetch_and_add(counter, 1);
}

SEC("classifier")
int wrap(struct __sk_buff *skb)
{
	struct outer outer;
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &outer.ip, sizeof outer.ip))
		return TC_ACT_UNSPEC;
	if (outer.ip.protocol != IPPROTO_TCP)
		return TC_ACT_UNSPEC;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
	if (bpf_skb_adjust_room(skb, sizeof outer, BPF_ADJ_ROOM_MAC, flags))
		return TC_ACT_SHOT;
	outer.ip.tot_len = bpf_htons(bpf_ntohs(outer.ip.tot_len) + sizeof outer);
	outer.ip.protocol = IPPROTO_GRE;
	outer.ip.check = 0;
	__u32 sum = bpf_csum_diff(0, 0, (__be32 *)&outer.ip, sizeof outer.ip, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	outer.ip.check = ~((sum & 0xffff) + (sum >> 16));
	outer.flags = 0;
	outer.protocol = bpf_htons(ETH_P_IP);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &outer, sizeof outer, BPF_F_INVALIDATE_HASH))
		return TC_ACT_SHOT;
	if (skb->len > ETH_HLEN + 1500)
		count(0);
	return TC_ACT_UNSPEC;
}

SEC("classifier")
int unwrap(struct __sk_buff *skb)
{
	__u8 protocol;
	if (skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + __builtin_offsetof(struct iphdr, protocol), &protocol, 1))
		return TC_ACT_UNSPEC;
	if (protocol != IPPROTO_GRE)
		return TC_ACT_UNSPEC;
	count(1);
	if (skb->len > ETH_HLEN + 1500)
		count(2);
	if (bpf_skb_adjust_room(skb, -(int)sizeof(struct outer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual MIT/GPL";
