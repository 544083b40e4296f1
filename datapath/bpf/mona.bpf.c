// The backplane's three programs. A port's ingress steers every frame, tagged with the port's number, to its worker; the
// ingress of the pair's ends stops what the raw socket took its copy of; a port's egress passes what workers send and
// nothing else.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

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

static __always_inline __s64 in_flight(__u32 index, __u64 **count)
{
	__u64 *in = bpf_map_lookup_elem(&admitted, &index);
	__u64 *out = bpf_map_lookup_elem(&consumed, &index);
	if (!in || !out)
		return 1 << 30;
	*count = in;
	return (__s64)(*in - *out);
}

SEC("classifier")
int port_in(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct port *port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!port)
		return TC_ACT_SHOT;
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + ETH_HLEN > end)
		return TC_ACT_SHOT;
	__u32 number = port->number, near = port->near, far = port->far;
	__u16 *d = data;
	// 802.1Q-2018 table 8-1: bridge protocols must not wait behind data.
	if (d[0] == bpf_htons(0x0180) && d[1] == bpf_htons(0xc200) && (d[2] & bpf_htons(0xfff0)) == 0) {
		near = port->urgent, far = 0;
	} else {
		__u32 base = port->worker * PORTS;
		__u64 *all = 0, *own = 0;
		__s64 total = in_flight(base, &all), mine = in_flight(base + number, &own);
		if (!all || !own)
			return TC_ACT_SHOT;
		// A port may hold as many slots as it leaves free: one port half of the ring, n ports n/(n+1).
		if (mine > 0 && mine + (total > 0 ? total : 0) >= (__s64)slots) {
			__u64 *lost = bpf_map_lookup_elem(&refused, &number);
			if (lost)
				__sync_fetch_and_add(lost, 1);
			return TC_ACT_SHOT;
		}
		__sync_fetch_and_add(all, 1);
		__sync_fetch_and_add(own, 1);
	}
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), number))
		return TC_ACT_SHOT;
	// Straight in at the far end saves a hop. A super-frame goes by the near end, whose features say which ones the
	// kernel must cut because the virtio header cannot describe them.
	if (far && !skb->gso_size)
		return bpf_redirect(far, BPF_F_INGRESS);
	return bpf_redirect(near, 0);
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
