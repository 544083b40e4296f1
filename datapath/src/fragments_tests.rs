use super::*;
use etherparse::Ipv4HeaderSlice;
use proptest::prelude::*;

/// A frame with an IPv4 packet. `flags` is the word of flags and offset.
fn frame(tagged: bool, flags: u16, options: &[u8], payload: &[u8], padding: usize) -> Vec<u8> {
    let mut frame = vec![2; 12];
    if tagged {
        frame.extend([0x81, 0, 0, 10]);
    }
    frame.extend([8, 0]);
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0x12, 0, 0, 0xab, 0xcd, 0, 0, 64, 17, 0, 0];
    packet.extend([10, 0, 0, 1, 10, 0, 1, 2]);
    put(&mut packet, 2, (header + payload.len()) as u16);
    put(&mut packet, 6, flags);
    packet.extend(options);
    let sum = Sum::default().bytes(&packet).finish();
    put(&mut packet, 10, sum);
    frame.extend(packet);
    frame.extend(payload);
    frame.resize(frame.len() + padding, 0xee);
    frame
}

/// What the others have of each: nothing, a security option (copied), a record of the route (not), both, padding.
const OPTIONS: [&[u8]; 5] =
    [&[], &[0x82, 4, 1, 2], &[7, 7, 4, 0, 0, 0, 0, 0], &[7, 3, 4, 1, 0x82, 3, 9, 0], &[1, 1, 1, 0]];

proptest! {
    #[test]
    fn put_together_they_are_the_packet(
        tagged: bool,
        options in prop::sample::select(OPTIONS.to_vec()),
        length in 0usize..4000,
        mtu in 68u16..1600,
        offset in 0u16..3000,
        more: bool,
        padding in 0usize..50,
    ) {
        let payload: Vec<u8> = (0..length).map(|at| (at * 7 + at / 256) as u8).collect();
        let flags = offset | if more { MF } else { 0 };
        let frame = frame(tagged, flags, options, &payload, padding);
        let fragments = Fragments::of(&frame, mtu).unwrap();
        let head = if tagged { 18 } else { 14 };
        let mut whole = Vec::new();
        let mut into = vec![0; 2000.max(frame.len())];
        for index in 0..fragments.count() {
            let len = fragments.write(index, &mut into).unwrap();
            prop_assert_eq!(&into[..head], &frame[..head]);
            let header = Ipv4HeaderSlice::from_slice(&into[head..len]).unwrap();
            prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            prop_assert_eq!(usize::from(header.total_len()), len - head);
            prop_assert!(header.total_len() <= mtu || fragments.count() == 1 && header.total_len() <= mtu);
            prop_assert_eq!((header.identification(), header.ttl(), header.protocol().0), (0xabcd, 64, 17));
            prop_assert_eq!(usize::from(header.fragments_offset().value()), usize::from(offset) + whole.len() / 8);
            let last = index + 1 == fragments.count();
            prop_assert_eq!(header.more_fragments(), !last || more);
            prop_assert_eq!(header.options().starts_with(&[0x82]), options.contains(&0x82) && (index > 0 || options[0] == 0x82));
            prop_assert!(index == 0 || !header.options().contains(&7));
            if index == 0 {
                prop_assert_eq!(header.options(), options);
            }
            let data = &into[head + header.slice().len()..len];
            prop_assert!(last || !data.is_empty() && data.len() % 8 == 0);
            whole.extend_from_slice(data);
        }
        prop_assert_eq!(whole, payload);
    }

    #[test]
    fn any_bytes(mut bytes: Vec<u8>, mtu: u16, header in prop::option::of(0x40u8..0x50)) {
        if let (Some(header), true) = (header, bytes.len() > 14) {
            bytes[12..14].copy_from_slice(&[8, 0]);
            bytes[14] = header;
        }
        let mut into = [0; 70_000];
        if let Some(fragments) = Fragments::of(&bytes, mtu) {
            for index in 0..fragments.count() {
                prop_assert!(fragments.write(index, &mut into).is_some());
            }
        }
    }
}

#[test]
fn what_cannot_be_cut() {
    let good = frame(false, 0, &[], &[0; 100], 0);
    assert_eq!(Fragments::of(&good, 68).unwrap().count(), 3);
    assert!(Fragments::of(&good, 27).is_none(), "nothing fits");
    assert!(Fragments::of(&good[..50], 68).is_none(), "not all there");
    assert!(Fragments::of(&frame(false, OFFSET, &[], &[0; 100], 0), 68).is_none(), "beyond the largest packet");
    assert!(Fragments::of(&frame(false, 0, &[7, 99, 4, 0], &[0; 100], 0), 68).is_none(), "options without an end");
    assert!(Fragments::of(&frame(false, 0, &[7, 0, 4, 0], &[0; 100], 0), 68).is_none(), "options of no length");
    assert!(Fragments::of(&frame(false, 0, &[], &vec![0; 60_000], 0), 68).is_none(), "too many");
}
