use super::*;
use etherparse::{PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};
use proptest::prelude::*;

/// What a random frame is made of.
#[derive(Clone, Debug)]
struct Packet {
    six: bool,
    udp: bool,
    tag: Option<u16>,
    options: bool,
    flags: u8,
    sequence: u32,
    id: u16,
    payload: Vec<u8>,
}

fn packet() -> impl Strategy<Value = Packet> {
    let parts = (any::<[bool; 3]>(), prop::option::of(any::<u16>()), any::<(u8, u32, u16)>());
    (parts, prop::collection::vec(any::<u8>(), 0..5000)).prop_map(|(([six, udp, options], tag, numbers), payload)| {
        Packet { six, udp, tag, options, flags: numbers.0, sequence: numbers.1, id: numbers.2, payload }
    })
}

impl Packet {
    fn l3(&self) -> usize {
        if self.tag.is_some() { 18 } else { 14 }
    }

    fn l4(&self) -> usize {
        self.l3() + if self.six { 40 } else { 20 }
    }

    fn l4_header(&self) -> usize {
        if self.udp { 8 } else { self.tcp().header_len() }
    }

    fn tcp(&self) -> TcpHeader {
        let mut tcp = TcpHeader::new(1000, 2000, self.sequence, 4000);
        (tcp.fin, tcp.syn, tcp.rst, tcp.psh) =
            (self.flags & 1 != 0, self.flags & 2 != 0, self.flags & 4 != 0, self.flags & 8 != 0);
        (tcp.ack, tcp.cwr) = (true, self.flags & 0x80 != 0);
        if self.options {
            tcp.set_options_raw(&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        }
        tcp
    }

    /// A right and complete frame.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let eth = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let mut four =
            etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber(0), [10, 1, 2, 3], [10, 4, 5, 6]).unwrap();
        four.identification = self.id;
        let ip = match self.six {
            false => etherparse::IpHeaders::Ipv4(four, Default::default()),
            true => etherparse::IpHeaders::Ipv6(
                etherparse::Ipv6Header {
                    traffic_class: 0,
                    flow_label: Default::default(),
                    payload_length: 0,
                    next_header: etherparse::IpNumber(0),
                    hop_limit: 64,
                    source: [0x20; 16],
                    destination: [0xfe; 16],
                },
                Default::default(),
            ),
        };
        match self.udp {
            false => eth.ip(ip).tcp_header(self.tcp()).write(&mut bytes, &self.payload).unwrap(),
            true => eth.ip(ip).udp(1000, 2000).write(&mut bytes, &self.payload).unwrap(),
        }
        if let Some(tci) = self.tag {
            bytes.splice(12..12, [0x81, 0, (tci >> 8) as u8, tci as u8]);
        }
        bytes
    }

    fn field(&self) -> usize {
        self.l4() + if self.udp { 6 } else { 16 }
    }

    fn csum(&self) -> CsumStart {
        CsumStart { start: self.l4() as u16, offset: (self.field() - self.l4()) as u16 }
    }

    /// The same with the checksum left to the device.
    fn partial(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        let at = if self.six { self.l3() + 8..self.l3() + 40 } else { self.l3() + 12..self.l3() + 20 };
        let protocol = if self.udp { ip::UDP } else { ip::TCP };
        let sum = Sum::default().pseudo(&bytes[at], bytes.len() - self.l4(), protocol).folded();
        put(&mut bytes, self.field(), sum).unwrap();
        bytes
    }
}

/// Right in every length and checksum, as a decoder of somebody else's sees it; its transport header and payload.
fn decoded(frame: &[u8]) -> (Option<TcpHeader>, Option<u16>, Vec<u8>) {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let ip = sliced.net.as_ref().unwrap();
    let id = ip.ipv4_ref().map(|four| {
        let header = four.header();
        assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
        header.identification()
    });
    let length = ip.ipv4_ref().map_or_else(
        || 40 + usize::from(ip.ipv6_ref().unwrap().header().payload_length()),
        |four| usize::from(four.header().total_len()),
    );
    assert_eq!(length + if frame[12] == 0x81 { 18 } else { 14 }, frame.len());
    let (source, destination) = match ip.ipv4_ref() {
        Some(four) => (four.header().source().to_vec(), four.header().destination().to_vec()),
        None => {
            let header = ip.ipv6_ref().unwrap().header();
            (header.source().to_vec(), header.destination().to_vec())
        }
    };
    match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => {
            let sum = match source.len() {
                4 => tcp.calc_checksum_ipv4(source.try_into().unwrap(), destination.try_into().unwrap()),
                _ => tcp.calc_checksum_ipv6(source.try_into().unwrap(), destination.try_into().unwrap()),
            };
            assert!(same(tcp.checksum(), sum.unwrap()));
            (Some(tcp.to_header()), id, tcp.payload().to_vec())
        }
        TransportSlice::Udp(udp) => {
            let header = udp.to_header();
            let sum = match source.len() {
                4 => header.calc_checksum_ipv4_raw(
                    source.try_into().unwrap(),
                    destination.try_into().unwrap(),
                    udp.payload(),
                ),
                _ => header.calc_checksum_ipv6_raw(
                    source.try_into().unwrap(),
                    destination.try_into().unwrap(),
                    udp.payload(),
                ),
            };
            assert!(same(udp.checksum(), sum.unwrap()));
            assert_ne!(udp.checksum(), 0);
            assert_eq!(usize::from(udp.length()), 8 + udp.payload().len());
            (None, id, udp.payload().to_vec())
        }
        other => panic!("{other:?}"),
    }
}

/// 0 and 0xffff are the same sum.
fn same(one: u16, other: u16) -> bool {
    not_zero(one) == not_zero(other)
}

proptest! {
    #[test]
    fn a_partial_checksum_is_completed(packet in packet(), padding in 0usize..20) {
        let (mut whole, mut partial) = (packet.bytes(), packet.partial());
        complete(&mut partial, packet.csum()).unwrap();
        decoded(&partial);
        whole[packet.field()..packet.field() + 2].copy_from_slice(&partial.clone()[packet.field()..packet.field() + 2]);
        prop_assert_eq!(&whole, &partial);
        // Found by its looks, whatever is behind the packet; and not touched again.
        let mut found = packet.partial();
        found.resize(found.len() + padding, 0xa5);
        prop_assert!(complete_if_pseudo(&mut found));
        prop_assert_eq!(&found[..whole.len()], &partial[..]);
        let before = found.clone();
        complete_if_pseudo(&mut found);
        prop_assert_eq!(found, before);
    }

    #[test]
    fn a_right_checksum_stays(packet in packet()) {
        let mut bytes = packet.bytes();
        complete_if_pseudo(&mut bytes);
        decoded(&bytes);
        prop_assert_eq!(bytes, packet.bytes());
    }

    #[test]
    fn segments_are_what_the_sender_would_have_sent(
        packet in packet(), size in 60u16..1500, ecn: bool, out in prop::option::of(any::<u16>()),
    ) {
        let kind = match (packet.udp, packet.six) {
            (true, _) => GsoKind::Udp,
            (_, false) => GsoKind::Tcp4,
            (_, true) => GsoKind::Tcp6,
        };
        let gso = Gso { kind, ecn, size, header: (packet.l4() + packet.l4_header()) as u16 };
        let offload = Offload { csum: Some(packet.csum()), gso: Some(gso) };
        let bytes = packet.partial();
        let leaving = Leaving::new(&bytes, &offload, out.map(Tci)).unwrap();
        let segments = leaving.segments().unwrap();
        let parts: Vec<&[u8]> = match packet.payload.is_empty() {
            true => vec![&[]],
            false => packet.payload.chunks(usize::from(size)).collect(),
        };
        prop_assert_eq!(segments.count(), parts.len());
        let mut buffer = vec![0xee; 2000];
        for (index, part) in parts.iter().enumerate() {
            let length = segments.write(index, &mut buffer).unwrap();
            prop_assert_eq!(length, segments.len(index));
            prop_assert_eq!(segments.write(index, &mut vec![0; length - 1]), None);
            let (first, last) = (index == 0, index + 1 == parts.len());
            // The naive model: the packet that a sender without offloads makes of this part.
            let mut flags = packet.flags;
            if !last {
                flags &= !0x09;
            }
            if !first && ecn {
                flags &= !0x80;
            }
            let model = Packet {
                payload: part.to_vec(),
                tag: out,
                flags,
                sequence: packet.sequence.wrapping_add((index * usize::from(size)) as u32),
                id: packet.id.wrapping_add(index as u16),
                ..packet.clone()
            };
            prop_assert_eq!(&buffer[..length], &fixed(model.bytes(), model.field())[..]);
            let (tcp, id, payload) = decoded(&buffer[..length]);
            prop_assert_eq!(&payload[..], *part);
            prop_assert!(id.is_none_or(|id| id == model.id));
            prop_assert!(tcp.is_none_or(|tcp| tcp.sequence_number == model.sequence));
        }
    }

    #[test]
    fn tags_come_and_go(packet in packet(), out in prop::option::of(any::<u16>())) {
        let bytes = packet.partial();
        let offload = Offload { csum: Some(packet.csum()), gso: None };
        let leaving = Leaving::new(&bytes, &offload, out.map(Tci)).unwrap();
        let model = Packet { tag: out, ..packet.clone() };
        let mut into = vec![0xee; 9000];
        let length = leaving.write(&mut into).unwrap();
        prop_assert_eq!(length, leaving.len());
        let expect = model.partial();
        prop_assert_eq!(&into[..expect.len()], &expect[..]);
        prop_assert!(into[expect.len()..length].iter().all(|byte| *byte == 0));
        prop_assert_eq!(leaving.offload.csum, Some(model.csum()));
        prop_assert_eq!(length, if packet.tag.is_some() && out.is_none() { expect.len().max(60) } else { expect.len() });
        let length = leaving.write_complete(&mut into).unwrap();
        prop_assert!(length >= expect.len());
        decoded(&into[..expect.len()]);
        prop_assert_eq!(leaving.write(&mut vec![0; length - 1]), None);
    }

    /// Whatever a guest writes: an answer, no panic.
    #[test]
    fn nonsense(mut bytes in prop::collection::vec(any::<u8>(), 0..200), numbers: [u16; 4], kind in 0..3, tag: Option<u16>) {
        let kind = [GsoKind::Tcp4, GsoKind::Tcp6, GsoKind::Udp][kind as usize];
        let csum = CsumStart { start: numbers[0] % 256, offset: numbers[1] % 256 };
        let gso = Gso { kind, ecn: true, size: numbers[2] % 100, header: numbers[3] };
        if bytes.len() > 20 {
            bytes[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
        }
        let offload = Offload { csum: Some(csum), gso: Some(gso) };
        let mut into = [0; 300];
        if let Ok(leaving) = Leaving::new(&bytes, &offload, tag.map(Tci)) {
            let _ = leaving.write_complete(&mut into);
            if let Ok(segments) = leaving.segments() {
                (0..segments.count()).for_each(|index| assert!(segments.write(index, &mut into).is_some()));
            }
        }
        complete_if_pseudo(&mut bytes);
        let _ = complete(&mut bytes, csum);
    }
}

/// A checksum as we write it: never 0.
fn fixed(mut frame: Vec<u8>, field: usize) -> Vec<u8> {
    let sum = u16::from_be_bytes([frame[field], frame[field + 1]]);
    put(&mut frame, field, not_zero(sum)).unwrap();
    frame
}

#[test]
fn fragments_options_and_extension_headers() {
    let packet = Packet {
        six: false,
        udp: false,
        tag: None,
        options: false,
        flags: 0,
        sequence: 1,
        id: 1,
        payload: vec![1, 2, 3],
    };
    let partial = packet.partial();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = partial.clone();
        change(&mut bytes);
        complete_if_pseudo(&mut bytes)
    };
    assert!(changed(&|_| ()));
    assert!(changed(&|bytes| bytes[20] = 0x40), "don't fragment");
    assert!(!changed(&|bytes| bytes[20] = 0x20), "more fragments");
    assert!(!changed(&|bytes| bytes[21] = 1), "a later fragment");
    assert!(!changed(&|bytes| bytes[14] = 0x65), "version 6 in an IPv4 frame");
    assert!(!changed(&|bytes| bytes[14] = 0x44), "a header too short");
    assert!(!changed(&|bytes| bytes[16] = 0xff), "a length beyond the frame");
    assert!(!changed(&|bytes| bytes[23] = 47), "another protocol");
    // IPv4 options, and two tags in front.
    assert!(changed(&|bytes| {
        bytes[14] = 0x46;
        bytes[17] += 4;
        bytes.splice(34..34, [1, 1, 1, 0]);
    }));
    assert!(changed(&|bytes| {
        bytes.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]);
    }));
    assert!(!changed(&|bytes| {
        bytes.splice(12..12, [0x81, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 6]);
    }));
    // IPv6 with a hop-by-hop header; and with a fragment header.
    for (next, found) in [(0u8, true), (60, true), (44, false), (43, false)] {
        let mut bytes = Packet { six: true, ..packet.clone() }.partial();
        bytes[19] += 8;
        bytes[20] = next;
        bytes.splice(54..54, [6, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!(complete_if_pseudo(&mut bytes), found, "next header {next}");
    }
}

#[test]
fn what_cannot_be_cut() {
    let packet = Packet {
        six: false,
        udp: false,
        tag: None,
        options: false,
        flags: 0,
        sequence: 1,
        id: 1,
        payload: vec![7; 60_000],
    };
    let bytes = packet.partial();
    let cut = |kind, size, bytes: &[u8]| {
        let offload = Offload { csum: Some(packet.csum()), gso: Some(Gso { kind, ecn: false, size, header: 54 }) };
        Leaving::new(bytes, &offload, None).and_then(|leaving| leaving.segments().map(|segments| segments.count()))
    };
    assert_eq!(cut(GsoKind::Tcp4, 1448, &bytes), Ok(42));
    assert_eq!(cut(GsoKind::Tcp4, 0, &bytes), Err(Drop::Unsegmentable));
    assert_eq!(cut(GsoKind::Tcp4, 50, &bytes), Err(Drop::Unsegmentable));
    assert_eq!(cut(GsoKind::Tcp6, 1448, &bytes), Err(Drop::Unsegmentable));
    assert_eq!(cut(GsoKind::Udp, 1448, &bytes), Err(Drop::Unsegmentable));
    assert_eq!(cut(GsoKind::Tcp4, 1448, &bytes[..40]), Err(Drop::Unsegmentable));
    assert_eq!(cut(GsoKind::Tcp4, 1448, &bytes[..13]), Err(Drop::Malformed));
    let none = Leaving::new(&bytes, &Offload::default(), None).unwrap();
    assert_eq!(none.segments().err(), Some(Drop::Unsegmentable));
}
