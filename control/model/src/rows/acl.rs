//! Access lists: their heads, their lines, the numbered ones in single lines, and the interfaces that use them.

use super::interface::each;
use super::{ANY_INTERFACE, Action, DONE, Does, Done, No, Rejected, Row, Said, entry, unsaid};
use crate::acl::{AccessList, ENTRIES, Filters, LAST, LINES, Line, ListKind, number};
use crate::args::Args;
use crate::config::Config;
use crate::modes::{Mode, Place};

/// The pieces of a line that several lines have.
macro_rules! piece {
    (action) => { "{action:deny|permit} " };
    (ip $side:literal) => {
        concat!("({", $side, "-any:any} | host <", $side, ":ip> | <", $side, ":ip> <", $side, "-wildcard:ip>) ")
    };
    (ip6 $side:literal) => { concat!("({", $side, "-any:any} | host <", $side, ":ip6> | <", $side, ":prefix6>) ") };
    (mac $side:literal) => {
        concat!("({", $side, "-any:any} | host <", $side, ":mac> | <", $side, ":mac> <", $side, "-wildcard:mac>) ")
    };
    (port $side:literal $kind:literal) => {
        concat!(
            "[({", $side, "-op:eq|gt|lt|neq} <", $side, ":", $kind, "> | range <", $side, "-low:", $kind, "> <", $side,
            "-high:", $kind, ">)] "
        )
    };
    (flags) => {
        "[({flag:established} | {match:match-all|match-any} {flag:+ack|-ack|+fin|-fin|+psh|-psh|+rst|-rst|+syn|-syn|+urg|-urg} \
         [{flag:+ack|-ack|+fin|-fin|+psh|-psh|+rst|-rst|+syn|-syn|+urg|-urg}]* | {flag:ack|fin|psh|rst|syn|urg} \
         [{flag:ack|fin|psh|rst|syn|urg}]*)] "
    };
    (icmp $kind:literal) => { concat!("[<icmp:", $kind, "> [<code:0-255>]]") };
    (long $address:ident $icmp:literal $protocol:literal) => {
        concat!(
            "({protocol:tcp} ", piece!($address "src"), piece!(port "sport" "tcp-port"), piece!($address "dst"),
            piece!(port "dport" "tcp-port"), piece!(flags),
            "| {protocol:udp} ", piece!($address "src"), piece!(port "sport" "udp-port"), piece!($address "dst"),
            piece!(port "dport" "udp-port"),
            "| {protocol:icmp} ", piece!($address "src"), piece!($address "dst"), piece!(icmp $icmp),
            "| <protocol:", $protocol, "> ", piece!($address "src"), piece!($address "dst"),
            ") [{fragments:fragments}] "
        )
    };
    (or remark) => { " | remark <text:line>)" };
    (log) => { "[{log:log|log-input}]" };
    (standard) => {
        concat!(
            piece!(action), "({src-any:any} | host <src:ip> | <src:ip> [<src-wildcard:ip>]) ", "[{log:log}]"
        )
    };
    (extended) => {
        concat!(
            piece!(action), piece!(long ip "icmp-message" "ip-protocol"),
            "[(dscp <dscp:dscp> | precedence <precedence:precedence> [tos <tos:tos>] | tos <tos:tos>)] ", piece!(log)
        )
    };
}

/// What the words of a numbered list's lines mean.
macro_rules! numbered {
    ($list:literal) => {
        &[("<list>", $list), ("remark", "Access list entry comment"), ("<text>", "Comment up to 100 characters")]
    };
}

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "ip access-list {kind:extended|standard} <list:word>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                let standard = args.word("kind").as_deref() == Some("standard");
                head(config, if standard { ListKind::Standard } else { ListKind::Extended }, args, no)
            },
            get: unsaid,
        },
    )
    .help(&[
        ("extended", "Extended Access List"),
        ("standard", "Standard Access List"),
        ("<list>", "Access list name or number"),
    ]),
    Row::config(
        &[Mode::Config],
        "ip access-list resequence <list:word> <start:1-2147483647> <step:1-2147483647>",
        No::Never,
        Does::Set { set: resequence, get: unsaid },
    )
    .help(&[
        ("resequence", "Resequence Access List"),
        ("<list>", "Access list name or number"),
        ("<start>", "Starting Sequence Number"),
        ("<step>", "Step to increment the sequence number"),
    ]),
    Row::config(
        &[Mode::Config],
        "ipv6 access-list <list:word>",
        No::Full,
        Does::Set { set: |config, _, args, no| head(config, ListKind::Ip6, args, no), get: unsaid },
    )
    .help(&[("<list>", "User selected string identifying this access list")]),
    Row::config(
        &[Mode::Config],
        "mac access-list extended <list:word>",
        No::Full,
        Does::Set { set: |config, _, args, no| head(config, ListKind::Mac, args, no), get: unsaid },
    )
    .help(&[("extended", "Extended Access List"), ("<list>", "Access list name")]),
    Row::config(
        &[Mode::StandardList],
        concat!("[<sequence:1-2147483647>] ", piece!(standard)),
        No::After("sequence"),
        Does::Set { set: line, get: lines },
    ),
    Row::config(
        &[Mode::ExtendedList],
        concat!("[<sequence:1-2147483647>] ", piece!(extended)),
        No::After("sequence"),
        Does::Set { set: line, get: lines },
    ),
    Row::config(
        &[Mode::Ip6List],
        concat!(
            "[sequence <sequence:1-2147483647>] ",
            piece!(action),
            piece!(long ip6 "icmp6-message" "ip6-protocol"),
            "[dscp <dscp:dscp>] ",
            piece!(log),
            " [sequence <sequence:1-2147483647>]"
        ),
        No::After("sequence"),
        Does::Set { set: line, get: lines },
    ),
    Row::config(
        &[Mode::MacList],
        concat!(
            "[<sequence:1-2147483647>] ",
            piece!(action),
            piece!(mac "src"),
            piece!(mac "dst"),
            "[(<type:mac-type> | <ethertype:hex16> <type-wildcard:hex16>)] [cos <cos:0-7>]"
        ),
        No::After("sequence"),
        Does::Set { set: line, get: lines },
    ),
    Row::config(
        &[Mode::StandardList, Mode::ExtendedList, Mode::MacList],
        "[<sequence:1-2147483647>] remark <text:line>",
        No::Full,
        Does::Set { set: remark, get: unsaid },
    ),
    Row::config(
        &[Mode::Ip6List],
        "[sequence <sequence:1-2147483647>] remark <text:line>",
        No::Full,
        Does::Set { set: remark, get: unsaid },
    ),
    Row::config(
        &[Mode::Config],
        concat!("access-list (<list:1-99> | <list:1300-1999>) (", piece!(standard), piece!(or remark)),
        No::After("list"),
        Does::Set { set: numbered, get: numbered_lines },
    )
    .help(numbered!("IP standard access list"))
    .late(),
    Row::config(
        &[Mode::Config],
        concat!("access-list (<list:100-199> | <list:2000-2699>) (", piece!(extended), piece!(or remark)),
        No::After("list"),
        Does::Set { set: numbered, get: unsaid },
    )
    .help(numbered!("IP extended access list")),
    Row::config(
        &[Mode::Config],
        concat!("access-list <list:700-799> (", piece!(action), "<src:mac> [<src-wildcard:mac>]", piece!(or remark)),
        No::After("list"),
        Does::Set { set: numbered, get: unsaid },
    )
    .help(numbered!("48-bit MAC address access list")),
    Row::config(
        ANY_INTERFACE,
        "ip access-group <list:word> {way:in|out}",
        No::Before("way"),
        Does::Set {
            set: |config, place, args, no| filter(config, place, args, no, Family::Ip),
            get: |c, p| filters(c, p, Family::Ip),
        },
    )
    .help(&[("access-group", "Specify access control for packets"), ("<list>", "Access-list name or number")]),
    Row::config(
        ANY_INTERFACE,
        "ipv6 traffic-filter <list:word> {way:in|out}",
        No::Before("way"),
        Does::Set {
            set: |config, place, args, no| filter(config, place, args, no, Family::Ip6),
            get: |c, p| filters(c, p, Family::Ip6),
        },
    )
    .help(&[("traffic-filter", "Access control list for packets"), ("<list>", "Access-list name")]),
    Row::config(
        &[Mode::Interface],
        "mac access-group <list:word> {way:in|out}",
        No::Before("way"),
        Does::Set {
            set: |config, place, args, no| filter(config, place, args, no, Family::Mac),
            get: |c, p| filters(c, p, Family::Mac),
        },
    )
    .help(&[("access-group", "Specify access control for frames that are no IP"), ("<list>", "Access-list name")]),
    Row::exec(
        "show access-lists [<list:word>]",
        Does::Exec(|args| Ok(Action::ShowAccessLists { only: None, list: args.word("list") })),
    )
    .help(&[("<list>", "Access list name or number")]),
    Row::exec(
        "show ip access-lists [<list:word>]",
        Does::Exec(|args| Ok(Action::ShowAccessLists { only: Some(false), list: args.word("list") })),
    )
    .help(&[("<list>", "Access list name or number")]),
    Row::exec(
        "show ipv6 access-list [<list:word>]",
        Does::Exec(|args| Ok(Action::ShowAccessLists { only: Some(true), list: args.word("list") })),
    )
    .help(&[("access-list", "List IPv6 access lists"), ("<list>", "Access list name")]),
    Row::exec(
        "clear access-list counters [<list:word>]",
        Does::Exec(|args| Ok(Action::ClearAccessLists { list: args.word("list") })),
    )
    .privileged()
    .help(&[
        ("access-list", "Clear access list statistical information"),
        ("counters", "Clear access list counters"),
        ("<list>", "Access list name or number"),
    ]),
    Row::exec(
        "clear ipv6 access-list [<list:word>]",
        Does::Exec(|args| Ok(Action::ClearAccessLists { list: args.word("list") })),
    )
    .privileged()
    .help(&[("access-list", "Clear access list statistical information"), ("<list>", "Access list name")]),
];

/// `ip access-list …` and its like: the list is there once it is named, as on IOS.
fn head(config: &mut Config, kind: ListKind, args: &Args, no: bool) -> Result<Done, Rejected> {
    let name = args.word("list").unwrap_or_default();
    let list = list(config, kind, &name)?;
    if no {
        return match list {
            Some(_) => {
                config.access_lists.remove(&name);
                Ok(Done { messages: Vec::new(), enter: Some(Place::Global) })
            }
            None => Err(format!("Access list {name} does not exist")),
        };
    }
    config.access_lists.entry(name.clone()).or_insert_with(|| AccessList::new(kind));
    Ok(Done { messages: Vec::new(), enter: Some(Place::AccessList(kind, name)) })
}

/// The list, if it is there, and of this kind.
fn list<'a>(config: &'a mut Config, kind: ListKind, name: &str) -> Result<Option<&'a mut AccessList>, Rejected> {
    if !kind.takes(name) {
        return Err("Invalid access list name.".into());
    }
    match config.access_lists.get_mut(name) {
        Some(list) if list.kind != kind => {
            let noun = list.kind.noun();
            let article = if noun.starts_with(['E', 'I']) { "An" } else { "A" };
            Err(format!("{article} {noun} with this name already exists"))
        }
        list => Ok(list),
    }
}

fn resequence(config: &mut Config, _: &Place, args: &Args, _: bool) -> Result<Done, Rejected> {
    let name = args.word("list").unwrap_or_default();
    let (start, step) = (args.number("start").unwrap_or(10), args.number("step").unwrap_or(10));
    let list = config.access_lists.get_mut(&name).ok_or_else(|| format!("Access list {name} does not exist"))?;
    let numbers = (0..).map(|at| u64::from(start) + at * u64::from(step));
    let numbers: Vec<u32> = numbers.take(list.lines.len()).map_while(|number| u32::try_from(number).ok()).collect();
    if numbers.len() < list.lines.len() || numbers.last().is_some_and(|last| *last > LAST) {
        return Err("Exceeded maximum sequence number".into());
    }
    list.lines = numbers.into_iter().zip(std::mem::take(&mut list.lines).into_values()).collect();
    DONE
}

/// A line in the mode of its list.
fn line(config: &mut Config, place: &Place, args: &Args, no: bool) -> Result<Done, Rejected> {
    let Place::AccessList(kind, name) = place else { return DONE };
    let line = args.has("action").then(|| entry::of(*kind, args)).transpose()?.map(Line::Entry);
    write(config, *kind, name, args.number("sequence"), line, no)
}

fn remark(config: &mut Config, place: &Place, args: &Args, no: bool) -> Result<Done, Rejected> {
    let Place::AccessList(kind, name) = place else { return DONE };
    write(config, *kind, name, args.number("sequence"), Some(comment(args)?), no)
}

fn comment(args: &Args) -> Result<Line, Rejected> {
    let text = args.word("text").unwrap_or_default();
    match text.chars().count() {
        ..=100 => Ok(Line::Remark(text)),
        _ => Err("A remark has at most 100 characters".into()),
    }
}

/// `access-list N …`
fn numbered(config: &mut Config, _: &Place, args: &Args, no: bool) -> Result<Done, Rejected> {
    let Some((number, kind)) = args.number("list").and_then(|n| Some((n, ListKind::of_number(n)?))) else {
        return Err("Invalid access list name.".into());
    };
    let name = number.to_string();
    let line = match (args.has("action"), args.has("text")) {
        (true, _) => Some(Line::Entry(entry::of(kind, args)?)),
        (false, true) => Some(comment(args)?),
        (false, false) => None,
    };
    match line {
        None if config.access_lists.remove(&name).is_some() => DONE,
        None => Err(format!("Access list {name} does not exist")),
        Some(line) => write(config, kind, &name, None, Some(line), no),
    }
}

/// Adds a line to a list or takes it out.
fn write(
    config: &mut Config,
    kind: ListKind,
    name: &str,
    sequence: Option<u32>,
    line: Option<Line>,
    no: bool,
) -> Result<Done, Rejected> {
    let entries: usize = config.access_lists.values().map(|list| list.lines.len()).sum();
    let there = list(config, kind, name)?;
    let known = line.as_ref().and_then(|line| position(there.as_deref()?, line));
    if no {
        let goes = match (sequence, &line) {
            (Some(sequence), None) => Some(sequence),
            (Some(sequence), Some(_)) => known.filter(|known| *known == sequence),
            (None, _) => known,
        };
        let gone = goes.and_then(|sequence| there?.lines.remove(&sequence));
        return gone.map(|_| Done::default()).ok_or_else(|| format!("Access list {name} has no such line"));
    }
    let Some(line) = line else { return DONE };
    if let (Some(_), Line::Entry(entry)) = (known.filter(|known| sequence != Some(*known)), &line) {
        let what = if entry.permit { "permit" } else { "deny" };
        return Ok(Done { messages: vec![format!("% Duplicate {what} statement ignored.")], enter: None });
    }
    let empty = AccessList::new(kind);
    let old = there.as_deref().unwrap_or(&empty);
    let at = sequence.or(old.next()).ok_or("Exceeded maximum sequence number")?;
    match old.lines.get(&at) {
        Some(old) if *old == line => return DONE,
        Some(_) => return Err("Duplicate sequence number".into()),
        None if old.lines.len() >= LINES => return Err(format!("An access list has at most {LINES} lines")),
        None if entries >= ENTRIES => return Err(format!("All access lists together have at most {ENTRIES} lines")),
        None => {}
    }
    config.access_lists.entry(name.into()).or_insert(empty).lines.insert(at, line);
    DONE
}

/// The number of an equal line.
fn position(list: &AccessList, line: &Line) -> Option<u32> {
    list.lines.iter().find(|(_, other)| *other == line).map(|(sequence, _)| *sequence)
}

/// The lines of the list at a place.
fn lines(config: &Config, place: &Place) -> Vec<Said> {
    let Place::AccessList(_, name) = place else { return Vec::new() };
    config.access_lists.get(name).into_iter().flat_map(AccessList::text).map(Said::Line).collect()
}

/// Is the list printed as lines of its own, `access-list N …`? One that has numbers of somebody's choice, or nothing to
/// say, needs its head; so does one of MACs that looks at more than the source.
pub(crate) fn in_lines(name: &str, list: &AccessList) -> bool {
    let says = |line: &Line| line.in_line(list.kind).is_some();
    number(name).is_some() && list.is_plain() && !list.lines.is_empty() && list.lines.values().all(says)
}

fn numbered_lines(config: &Config, _: &Place) -> Vec<Said> {
    let mut lists: Vec<_> = config.access_lists.iter().filter(|(name, list)| in_lines(name, list)).collect();
    lists.sort_by_key(|(name, _)| number(name));
    let lines = |(name, list): (&String, &AccessList)| {
        let texts = list.lines.values().filter_map(|line| line.in_line(list.kind));
        texts.map(|text| Said::Line(format!("access-list {name} {text}"))).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(lines).collect()
}

#[derive(Clone, Copy)]
enum Family {
    Ip,
    Ip6,
    Mac,
}

impl Family {
    fn of(self, filters: &mut Filters) -> &mut crate::acl::Ways {
        match self {
            Family::Ip => &mut filters.ip,
            Family::Ip6 => &mut filters.ipv6,
            Family::Mac => &mut filters.mac,
        }
    }

    fn takes(self, name: &str) -> bool {
        match self {
            Family::Ip => ListKind::Standard.takes(name) || ListKind::Extended.takes(name),
            Family::Ip6 => ListKind::Ip6.takes(name),
            Family::Mac => ListKind::Mac.takes(name),
        }
    }
}

/// The list of an interface need not exist: then everything passes, as on IOS.
fn filter(config: &mut Config, place: &Place, args: &Args, no: bool, family: Family) -> Result<Done, Rejected> {
    let (name, way) = (args.word("list").unwrap_or_default(), args.word("way"));
    if !no && !family.takes(&name) {
        return Err("Invalid access list name.".into());
    }
    each(config, place, |interface| {
        let ways = family.of(&mut interface.filters);
        for (own, list) in [("in", &mut ways.inward), ("out", &mut ways.outward)] {
            match no {
                // Without a way, wherever it is.
                true if way.as_deref().is_none_or(|way| way == own) && list.as_ref() == Some(&name) => *list = None,
                false if way.as_deref() == Some(own) => *list = Some(name.clone()),
                _ => {}
            }
        }
    })
}

fn filters(config: &Config, place: &Place, family: Family) -> Vec<Said> {
    let interface = place.interfaces().first().and_then(|name| config.interfaces.get(name));
    let mut filters = interface.map(|interface| interface.filters.clone()).unwrap_or_default();
    let ways = std::mem::take(family.of(&mut filters));
    let said = |list: Option<String>, way: &str| list.map(|list| Said::Yes(vec![list, way.to_string()]));
    said(ways.inward, "in").into_iter().chain(said(ways.outward, "out")).collect()
}
