use super::*;

/// `ethertype rest` in hexadecimal, behind two addresses.
fn frame(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bytes = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    [2; 12].into_iter().chain(bytes).collect()
}

const FOUR: &str = "0800 4500003000000000 40";
const ADDRESSES: &str = "0000 0a000001 0a000002";

#[test]
fn classes() {
    let six = |next: &str, rest: &str| format!("86dd 60000000 0008 {next} ff {} {rest}", "20".repeat(32));
    let table = [
        ("0806 0001".to_string(), Class::Discovery),
        ("8100 000a 0806 0001".into(), Class::Discovery),
        ("0026 fefe 03 83".into(), Class::Protocol),
        ("88b5".into(), Class::Data),
        (format!("{FOUR} 59 {ADDRESSES}"), Class::Protocol),
        (format!("{FOUR} 01 {ADDRESSES} 0800"), Class::Data),
        (format!("{FOUR} 06 {ADDRESSES} 00b3 8000"), Class::Protocol),
        (format!("{FOUR} 06 {ADDRESSES} 8000 00b3"), Class::Protocol),
        (format!("{FOUR} 06 {ADDRESSES} 8000 0016"), Class::Data),
        (format!("{FOUR} 06 {ADDRESSES} 00"), Class::Data),
        (format!("{FOUR} 11 {ADDRESSES} c000 0ec8"), Class::Protocol),
        (format!("0800 4500003000002001 40 06 {ADDRESSES} 00b3 8000"), Class::Data),
        ("0800 45".into(), Class::Data),
        (six("3a", "88"), Class::Discovery),
        (six("3a", "80"), Class::Data),
        (six("59", ""), Class::Protocol),
        (six("06", "00b3 8000"), Class::Protocol),
        ("86dd 60".into(), Class::Data),
    ];
    for (text, expect) in table {
        assert_eq!(class(&frame(&text)), expect, "{text}");
    }
    assert_eq!(class(&[]), Class::Data);
}

#[test]
fn a_flood_gets_its_rate_and_costs_nobody_else() {
    let mut policer = Policer::default();
    let (data, hello) = (frame("88b5"), frame(&format!("{FOUR} 59 {ADDRESSES}")));
    let mut admitted = 0;
    for tick in 1..=1000u64 {
        let now = tick * 10_000_000;
        admitted += (0..10_000).filter(|_| policer.admit(PortId(1), &data, now)).count();
        assert!(policer.admit(PortId(1), &hello, now), "tick {tick}");
        assert!(policer.admit(PortId(2), &data, now), "tick {tick}");
    }
    // Ten seconds.
    assert_eq!(admitted, 200 * 1000);
    assert!(!policer.admit(PortId(u16::MAX), &data, 0));
}
