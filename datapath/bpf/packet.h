// What the flow cache looks at in a frame: keys as datapath/src/program.rs makes them, sizes as the wire has them, the
// rewriting of routed packets as datapath/src/rewrite.rs does it. Reads by offsets from the frame's beginning; a tag is
// beside the frame or, with `eth` 18, in it.
#pragma once
#include "flow.h"
#include <bpf/bpf_endian.h>

#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd

enum { ICMP = 1, TCP = 6, UDP = 17, DCCP = 33, ICMP6 = 58, SCTP = 132, UDP_LITE = 136 };

// Extension headers of IPv6, behind which the upper layer would be.
static __always_inline int is_extension(__u8 next)
{
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60 || next == 135 || next == 139 || next == 140 ||
	       next == 253;
}

// A packet's header as far as a key goes.
struct packet {
	__u8 protocol, tos, ttl;
	__u8 header;  // bytes of the IP header, 0: no IP
	__u32 length; // of the packet, by its own account
};

// Reads the header of a packet without options and extension headers that is no fragment. 0: it is another.
static __always_inline int read_packet(void *at, void *end, __u16 type, struct packet *packet, struct key *key)
{
	if (type == bpf_htons(ETH_IPV4)) {
		__u8 *ip = at;
		if (at + 20 > end || ip[0] != 0x45 || (*(__u16 *)(ip + 6) & bpf_htons(0x3fff)))
			return 0;
		*packet = (struct packet){ .protocol = ip[9], .tos = ip[1], .ttl = ip[8], .header = 20,
					   .length = bpf_ntohs(*(__u16 *)(ip + 2)) };
		__builtin_memcpy(&key->word[0], ip + 12, 8);
	} else if (type == bpf_htons(ETH_IPV6)) {
		__u8 *ip = at;
		if (at + 40 > end || ip[0] >> 4 != 6 || is_extension(ip[6]))
			return 0;
		*packet = (struct packet){ .protocol = ip[6], .tos = ip[0] << 4 | ip[1] >> 4, .ttl = ip[7], .header = 40,
					   .length = 40 + bpf_ntohs(*(__u16 *)(ip + 4)) };
		__builtin_memcpy(&key->word[0], ip + 8, 8);
		__builtin_memcpy(&key->word[2], ip + 16, 24);
	}
	return 1;
}

// Ports, flags, type and code, as far as `upper` has them. 0: it ends early.
static __always_inline int read_upper(void *at, void *end, const struct packet *packet, __u8 flags, __u64 *word)
{
	__u8 *upper = at;
	__u32 ports = 0;
	__u8 seen = 0;
	switch (packet->protocol) {
	case TCP:
		if (at + 14 > end || packet->length < packet->header + 14u)
			return 0;
		ports = *(__u32 *)upper, seen = upper[13] & flags;
		break;
	case UDP:
	case DCCP:
	case SCTP:
	case UDP_LITE:
		if (at + 8 > end || packet->length < packet->header + 8u)
			return 0;
		ports = *(__u32 *)upper;
		break;
	case ICMP:
	case ICMP6:
		if ((packet->protocol == ICMP) != (packet->header == 20))
			break;
		if (at + 2 > end || packet->length < packet->header + 2u)
			return 0;
		ports = *(__u16 *)upper;
		break;
	}
	*word |= ports | (__u64)seen << 48;
	return 1;
}

// The header checksum of IPv4 without options is right.
static __always_inline int checks(void *at, void *end)
{
	__u32 *word = at;
	if (at + 20 > end)
		return 0;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

// One less to live, and the checksum by the difference (RFC 1624 equation 3).
static __always_inline void live_less(void *at, __u8 header)
{
	__u8 *ip = at;
	if (header == 40) {
		ip[7]--;
		return;
	}
	ip[8]--;
	__u16 *checksum = at + 10;
	__u32 sum = (__u16)~bpf_ntohs(*checksum) + 0xfeffu;
	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = bpf_htons((__u16)~((sum & 0xffff) + (sum >> 16)));
}

// Bytes before the payload of each segment of a super-frame, beginning with IP. 0: not known.
static __always_inline __u32 segment_headers(void *at, void *end, __u16 type)
{
	__u8 *ip = at;
	__u32 header = type == bpf_htons(ETH_IPV4) ? 20 : type == bpf_htons(ETH_IPV6) ? 40 : 0;
	if (!header || at + header + 14 > end || (header == 20 && ip[0] != 0x45))
		return 0;
	__u8 protocol = header == 20 ? ip[9] : ip[6];
	return protocol == TCP ? header + (ip[header + 12] >> 4) * 4 : protocol == UDP ? header + 8 : 0;
}
