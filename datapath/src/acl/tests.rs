//! The compiled list says what the naive one says: the first line that fits, looked for from the top.

use super::*;
use mona_wire::Eth;
use proptest::prelude::*;

fn naive(rules: &[Rule], key: &Key) -> Option<usize> {
    rules.iter().position(|rule| rule.fits(key))
}

/// Few values, so that lines and packets meet.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0u8..4, 1 => any::<u8>()]
}

fn masked<const N: usize>() -> impl Strategy<Value = Masked<N>> {
    let mask = prop_oneof![3 => Just(0u8), 3 => Just(0xff), 1 => any::<u8>()];
    (proptest::collection::vec(byte(), N), proptest::collection::vec(mask, N), any::<bool>())
        .prop_map(|(value, mask, all)| if all { Masked::default() } else { Masked::new(&value, &mask) })
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 0u16..6, 1 => any::<u16>(), 1 => Just(65535)]
}

fn ports() -> impl Strategy<Value = Option<Ports>> {
    proptest::option::weighted(
        0.4,
        (port(), port(), any::<bool>(), any::<bool>()).prop_map(|(low, other, one, not)| Ports {
            low,
            high: if one { low } else { other },
            not,
        }),
    )
}

fn flags() -> impl Strategy<Value = Option<Flags>> {
    let flags = (0u8..64, 0u8..64, any::<bool>()).prop_map(|(set, clear, all)| Flags { set, clear, all });
    proptest::option::weighted(0.2, prop_oneof![Just(Flags::ESTABLISHED), flags])
}

prop_compose! {
    fn rule()(
        (permit, fragments) in (any::<bool>(), proptest::bool::weighted(0.1)),
        (src, dst, ethertype, tos) in (masked(), masked(), masked(), masked()),
        protocol in proptest::option::of(prop_oneof![Just(6u8), Just(17), Just(1), byte()]),
        (sport, dport, flags) in (ports(), ports(), flags()),
        icmp in proptest::option::weighted(0.2, (byte(), proptest::option::of(byte()))),
    ) -> Rule {
        Rule { permit, log: false, slot: 0, src, dst, ethertype, protocol, tos, sport, dport, flags, icmp, fragments }
    }
}

prop_compose! {
    fn key()(
        bytes in proptest::collection::vec(byte(), 40),
        protocol in prop_oneof![Just(6u8), Just(17), Just(1), byte()],
        later in proptest::bool::weighted(0.2),
        ports in [port(), port()],
    ) -> Key {
        let mut key = Key { family: Family::Ip4, bytes: [0; 40], ports, cut: None };
        key.bytes.copy_from_slice(&bytes);
        key.bytes[34] = protocol;
        key.bytes[36] = u8::from(later);
        if later {
            key.bytes[37..].fill(0);
            key.ports = [0; 2];
        }
        key
    }
}

proptest! {
    #[test]
    fn the_first_that_fits(rules in proptest::collection::vec(rule(), 0..150), keys in proptest::collection::vec(key(), 40)) {
        let acl = Acl::compile(rules.clone()).expect("short enough");
        for key in keys {
            prop_assert_eq!(acl.first(&key), Ok(naive(&rules, &key)), "{:?}", key);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, ethertype in prop_oneof![Just(0x0800u16), Just(0x86dd), any::<u16>()]) {
        let mut frame = vec![2; 12];
        frame.extend(ethertype.to_be_bytes());
        frame.extend(bytes);
        if let Some(eth) = Eth::parse(&frame) {
            let _ = Key::read(&eth, &frame);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Lists of several blocks, whose lines mostly do not fit.
    #[test]
    fn the_first_of_many(rules in proptest::collection::vec(rule(), 20), at in 0usize..3000, keys in proptest::collection::vec(key(), 20)) {
        let never = Rule { dport: Some(Ports { low: 1, high: 0, not: false }), protocol: Some(6), ..Rule::default() };
        let mut all = vec![never; at];
        all.extend(rules);
        all.extend(vec![never; 1000]);
        let acl = Acl::compile(all.clone()).expect("short enough");
        for key in keys {
            prop_assert_eq!(acl.first(&key), Ok(naive(&all, &key)), "{:?}", key);
        }
    }
}

#[test]
fn lists_have_an_end() {
    assert!(Acl::compile(vec![Rule::default(); LINES]).is_ok());
    assert_eq!(Acl::compile(vec![Rule::default(); LINES + 1]).err(), Some(TooLong));
}

/// A frame from the words of a table: `ip4 SRC DST PROTO [frag N] [upper bytes…]`.
fn key_of(text: &str) -> Result<Key, Drop> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    frame.extend(digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()));
    Key::read(&Eth::parse(&frame).unwrap(), &frame)
}

fn show(text: &str) -> String {
    match key_of(text) {
        Err(why) => why.name().into(),
        Ok(key) => {
            let (src, dst) = key.addresses();
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let [sport, dport] = key.ports;
            let more = match (key.cut.is_some(), key.is_later_fragment()) {
                (true, _) => " cut",
                (_, true) => " later",
                _ => "",
            };
            let icmp = key.icmp();
            format!(
                "{} > {} {} tos {:02x} {sport} > {dport} flags {:02x} icmp {}/{}{more}",
                hex(src),
                hex(dst),
                key.protocol(),
                key.bytes[35],
                key.bytes[37],
                icmp[0],
                icmp[1]
            )
        }
    }
}

#[test]
fn keys() {
    let four = |rest: &str| format!("0800 4512 0000 0000 {rest}");
    let of = |fragment: &str, protocol: &str| four(&format!("{fragment} 40{protocol} 0000 0a000001 0a000002"));
    let tcp = "1234 0050 00000000 00000000 5012 0000 0000 0000";
    let plain = "0a000001 > 0a000002";
    for (frame, expect) in [
        (of("0000", "06") + tcp, format!("{plain} 6 tos 12 4660 > 80 flags 12 icmp 0/0")),
        // The first fragment has the header…
        (of("2000", "06") + tcp, format!("{plain} 6 tos 12 4660 > 80 flags 12 icmp 0/0")),
        // … the others have not, and one that would overwrite it is none of ours.
        (of("0002", "06") + tcp, format!("{plain} 6 tos 12 0 > 0 flags 00 icmp 0/0 later")),
        (of("0001", "06") + tcp, "ip_tiny_fragment".into()),
        (of("0001", "11") + tcp, format!("{plain} 17 tos 12 0 > 0 flags 00 icmp 0/0 later")),
        (of("0000", "06") + "12340050", format!("{plain} 6 tos 12 0 > 0 flags 00 icmp 0/0 cut")),
        (of("0000", "11") + "1234005000080000", format!("{plain} 17 tos 12 4660 > 80 flags 00 icmp 0/0")),
        (of("0000", "01") + "0305", format!("{plain} 1 tos 12 0 > 0 flags 00 icmp 3/5")),
        (of("0000", "3a") + "0305", format!("{plain} 58 tos 12 0 > 0 flags 00 icmp 0/0")),
        // What is behind the packet's own end is padding.
        (
            (of("0000", "11") + "1234005000080000").replacen("4512 0000", "4512 0014", 1),
            format!("{plain} 17 tos 12 0 > 0 flags 00 icmp 0/0 cut"),
        ),
        (of("0000", "2f") + "", format!("{plain} 47 tos 12 0 > 0 flags 00 icmp 0/0")),
        ("0800 4412 0000 0000 0000 4006 0000 0a000001 0a000002".into(), "ip_header_corrupted".into()),
        ("0800 6512 0000 0000 0000 4006 0000 0a000001 0a000002".into(), "ip_header_corrupted".into()),
        ("0800 4612 0000 0000 0000 4006 0000 0a000001 0a000002".into(), "ip_header_corrupted".into()),
        ("0800 45".into(), "ip_header_corrupted".into()),
    ] {
        assert_eq!(show(&frame), expect, "{frame}");
    }
    let addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
    let six = |next: &str, rest: &str| format!("86dd 6ab00000 0000 {next}40 {addresses} {rest}");
    let plain = addresses.replace(' ', " > ");
    for (next, rest, expect) in [
        ("06", tcp, " 6 tos ab 4660 > 80 flags 12 icmp 0/0"),
        ("3a", "8700", " 58 tos ab 0 > 0 flags 00 icmp 135/0"),
        ("00", "3c00 000000000000 1100 000000000000 1234005000080000", " 17 tos ab 4660 > 80 flags 00 icmp 0/0"),
        ("2c", "0600 0001 00000000 12340050000000000000000050120000", " 6 tos ab 4660 > 80 flags 12 icmp 0/0"),
        ("2c", "0600 0008 00000000 1234", " 6 tos ab 0 > 0 flags 00 icmp 0/0 later"),
        ("33", "0604", " 51 tos ab 0 > 0 flags 00 icmp 0/0"),
        ("3b", "", " 59 tos ab 0 > 0 flags 00 icmp 0/0"),
        ("06", "1234", " 6 tos ab 0 > 0 flags 00 icmp 0/0 cut"),
        ("00", "3c", "ip_header_corrupted"),
        ("2c", "0600", "ip_header_corrupted"),
        (
            "00",
            "0000 000000000000 0000 000000000000 0000 000000000000 0000 000000000000 0000 000000000000 0000 \
          000000000000 0000 000000000000 0000 000000000000 0600 000000000000",
            "ip_header_corrupted",
        ),
    ] {
        let expect = if expect == "ip_header_corrupted" { expect.to_string() } else { format!("{plain}{expect}") };
        assert_eq!(show(&six(next, rest)), expect, "{next} {rest}");
    }
    let mac = "020000000002 > 020000000001 0 tos 00 0 > 0 flags 00 icmp 0/0";
    assert_eq!(show("0806 0001"), mac);
    assert_eq!(show("8100 a00a 0806"), mac.replace("tos 00", "tos 05"));
}

/// A list looks at a header that is cut off only if a line asks for it.
#[test]
fn what_is_cut_off() {
    let key = key_of("0800 4500 0000 0000 0000 4006 0000 0a000001 0a000002 1234").unwrap();
    let any = Rule { permit: true, ..Rule::default() };
    let web = Rule { dport: Some(Ports { low: 80, high: 80, not: false }), ..any };
    let decide = |rules: &[Rule]| Acl::compile(rules.to_vec()).unwrap().decide(&key).map(|verdict| verdict.permit);
    assert_eq!(decide(&[any]), Ok(true));
    assert_eq!(decide(&[]), Ok(false));
    assert_eq!(decide(&[web, any]), Err(Drop::IpHeader));
}
