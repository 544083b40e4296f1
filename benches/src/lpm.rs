//! Longest prefix match alone: lookups, memory, loading and single changes, on made-up tables with the shape of the
//! Internet's; and the same tables and addresses through DPDK's librte_fib (`benches/fib/`), in the same run.

use crate::micro::own_time;
use mona_datapath::lpm::{Address, Leaf, Lpm, Prefix, Writer};
use serde::Serialize;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses looked up in a round.
const ADDRESSES: usize = 1 << 20;
/// Addresses in one call of the bulk lookup.
const BURST: usize = 32;
/// Rounds of each kind, ours and librte_fib's in turns; the median counts.
const ROUNDS: usize = 7;
/// Next hops.
const HOPS: u32 = 1000;

/// What was measured with one table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// 4 or 6.
    pub family: u8,
    /// Routes in it.
    pub routes: usize,
    /// Where the addresses are from: `routes` (in a random one) or `uniform`.
    pub addresses: &'static str,
    /// One call per address, nanoseconds.
    pub single_ns: f64,
    /// One call per 32 addresses, nanoseconds per address.
    pub bulk_ns: f64,
    /// Each address depends on the last result: the whole latency.
    pub chained_ns: f64,
    /// The workers' table, MiB.
    pub table_mib: f64,
    /// All that the process grew by with the table and the routes in order, MiB.
    pub resident_mib: f64,
    /// From nothing to a table that workers see.
    pub load_s: f64,
    /// One change, median and slowest of many: a random route is removed, or entered again.
    pub change_us: [f64; 2],
    /// What librte_fib took, by kind of lookup: nanoseconds, and the ratio to ours of the same kind.
    pub fib: Vec<(String, f64, f64)>,
}

/// Measures all tables. With `fib`, the program there measures them, too.
pub fn run(fib: Option<&Path>) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for routes in [10_000, 200_000, 1_000_000] {
        let table = internet4(routes);
        let inside = addresses(&table, &mut Random(7));
        let mut random = Random(8);
        // From 1.0.0.0 to 223.255.255.255.
        let uniform: Vec<u32> = (0..ADDRESSES).map(|_| (1 << 24) + random.below(223 << 24) as u32).collect();
        rows.extend(measure(&table, &[("routes", inside), ("uniform", uniform)], fib)?);
    }
    let table = internet6(200_000);
    let inside = addresses(&table, &mut Random(7));
    rows.extend(measure(&table, &[("routes", inside)], fib)?);
    Ok(rows)
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>4} {:>8} {:>9} {:>7} {:>7} {:>8} {:>9} {:>12} {:>7} {:>18}  librte_fib: ns (ratio)\n",
        "IP",
        "routes",
        "addresses",
        "single",
        "bulk",
        "chained",
        "table MiB",
        "resident MiB",
        "load s",
        "change us (max)"
    );
    for row in rows {
        let change = format!("{:.1} ({:.0})", row.change_us[0], row.change_us[1]);
        text += &format!(
            "{:>4} {:>8} {:>9} {:>7.2} {:>7.2} {:>8.1} {:>9.1} {:>12.1} {:>7.2} {:>18} ",
            row.family,
            row.routes,
            row.addresses,
            row.single_ns,
            row.bulk_ns,
            row.chained_ns,
            row.table_mib,
            row.resident_mib,
            row.load_s,
            change
        );
        for (kind, ns, ratio) in &row.fib {
            text += &format!(" {kind} {ns:.2} ({ratio:.2})");
        }
        text += "\n";
    }
    text
}

fn measure<A: Family>(
    routes: &[(Prefix<A>, Leaf)],
    addresses: &[(&'static str, Vec<A>)],
    fib: Option<&Path>,
) -> Result<Vec<Row>, String> {
    let before = resident();
    let began = Instant::now();
    let mut writer = Writer::new(routes.len());
    writer.load(routes.iter().copied()).map_err(|_| "the table is full")?;
    let load_s = began.elapsed().as_secs_f64();
    let mut row = Row {
        family: if A::WIDTH == 32 { 4 } else { 6 },
        routes: routes.len(),
        load_s,
        table_mib: writer.memory() as f64 / f64::from(1 << 20),
        resident_mib: resident() - before,
        ..Row::default()
    };
    let mut rows = Vec::new();
    for (kind, addresses) in addresses {
        let table = writer.table();
        let sum = single(table, addresses);
        assert_eq!(bulk(table, addresses), sum, "both find the same");
        let mut fib = fib.map(|path| Fib::open(path, routes, addresses, sum)).transpose()?;
        let kinds = fib.as_ref().map_or(Vec::new(), |fib| fib.kinds.clone());
        let (mut ours, mut theirs) = ([const { Vec::new() }; 3], vec![Vec::new(); kinds.len()]);
        for _ in 0..ROUNDS {
            ours[0].push(round(addresses, || single(table, addresses)));
            ours[1].push(round(addresses, || bulk(table, addresses)));
            for ((number, _), rounds) in kinds.iter().zip(&mut theirs) {
                rounds.push(fib.as_mut().ok_or("no kind without a table")?.round(number)?);
            }
            ours[2].push(round(addresses, || chained(table, addresses)));
        }
        [row.single_ns, row.bulk_ns, row.chained_ns] = ours.map(median);
        // What takes many addresses a call is beside ours that does.
        let beside = |kind: &str| if kind.starts_with("single") { row.single_ns } else { row.bulk_ns };
        row.fib = kinds
            .into_iter()
            .zip(theirs)
            .map(|((_, kind), rounds)| {
                let ns = median(rounds);
                let ratio = ns / beside(&kind);
                (kind, ns, ratio)
            })
            .collect();
        row.addresses = kind;
        rows.push(row.clone());
    }
    let change_us = changes(&mut writer, routes);
    rows.iter_mut().for_each(|row| row.change_us = change_us);
    Ok(rows)
}

fn single<A: Address>(table: &Lpm<A>, addresses: &[A]) -> u64 {
    addresses.iter().map(|address| table.lookup(*address).map_or(0, |leaf| leaf.index() as u64 + 1)).sum()
}

fn bulk<A: Address>(table: &Lpm<A>, addresses: &[A]) -> u64 {
    let mut out = [None; BURST];
    let mut sum = 0;
    for burst in addresses.chunks_exact(BURST) {
        table.lookup_bulk(burst, &mut out);
        sum += out.iter().map(|leaf| leaf.map_or(0, |leaf| leaf.index() as u64 + 1)).sum::<u64>();
    }
    sum
}

fn chained<A: Address>(table: &Lpm<A>, addresses: &[A]) -> u64 {
    let mut last = 0;
    for address in addresses {
        // Nothing is added, but the processor does not know.
        let found = table.lookup(address.network(A::WIDTH - (last >> 31) as u8));
        last = found.map_or(0, |leaf| leaf.index() as u32);
    }
    last.into()
}

/// Nanoseconds per address: of the thread's own time, for the machine may have other work.
fn round<A>(addresses: &[A], look_up: impl FnOnce() -> u64) -> f64 {
    let began = own_time();
    black_box(look_up());
    (own_time() - began).as_nanos() as f64 / addresses.len() as f64
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Removes and enters random routes: median and maximum in microseconds.
fn changes<A: Address>(writer: &mut Writer<A>, routes: &[(Prefix<A>, Leaf)]) -> [f64; 2] {
    let mut random = Random(9);
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..10_000 {
        let (prefix, leaf) = routes[random.below(routes.len() as u64) as usize];
        let began = own_time();
        writer.remove(prefix);
        took.push(own_time() - began);
        let began = own_time();
        writer.insert(prefix, leaf).expect("there was room for it before");
        took.push(own_time() - began);
        writer.reclaim(writer.mark());
    }
    took.sort();
    [took[took.len() / 2], took[took.len() - 1]].map(|took| took.as_nanos() as f64 / 1000.0)
}

/// librte_fib in a process of its own, with the same table and the same addresses; its results must be ours.
struct Fib {
    process: Child,
    asks: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    /// What it can do, by the number to ask for it: `single…` takes one address a call, as our single lookup does;
    /// `scalar…` and `vector…` as many as our bulk lookup.
    kinds: Vec<(String, String)>,
}

impl Fib {
    fn open<A: Family>(path: &Path, routes: &[(Prefix<A>, Leaf)], addresses: &[A], sum: u64) -> Result<Fib, String> {
        let folder = std::env::temp_dir().join(format!("swbench-lpm-{}", std::process::id()));
        let failed = |why: std::io::Error| format!("{}: {why}", path.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let (table_file, address_file) = (folder.join("routes"), folder.join("addresses"));
        let mut bytes = Vec::new();
        for (prefix, leaf) in routes {
            prefix.address().write(&mut bytes);
            bytes.extend(u32::from(prefix.length()).to_ne_bytes());
            bytes.extend((leaf.index() as u32 + 1).to_ne_bytes());
        }
        std::fs::write(&table_file, &bytes).map_err(failed)?;
        bytes.clear();
        addresses.iter().for_each(|address| address.write(&mut bytes));
        std::fs::write(&address_file, &bytes).map_err(failed)?;
        let mut process = Command::new(path)
            .arg(if A::WIDTH == 32 { "4" } else { "6" })
            .args([&table_file, &address_file])
            .args([sum.to_string(), BURST.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let asks = process.stdin.take();
        let stdout = process.stdout.take().ok_or("librte_fib has no output")?;
        let mut fib = Fib { process, asks, answers: BufReader::new(stdout).lines(), kinds: Vec::new() };
        loop {
            let line = fib.answer()?;
            match line.split_once(' ') {
                None => break,
                Some(("#", remark)) => eprintln!("librte_fib: {remark}"),
                Some((number, kind)) => fib.kinds.push((number.to_owned(), kind.to_owned())),
            }
        }
        // It has read them.
        std::fs::remove_dir_all(&folder).map_err(failed)?;
        Ok(fib)
    }

    /// A round of that kind: nanoseconds an address.
    fn round(&mut self, number: &str) -> Result<f64, String> {
        let mut asks = self.asks.as_ref().ok_or("librte_fib has ended")?;
        writeln!(asks, "{number}").map_err(|why| format!("librte_fib: {why}"))?;
        let line = self.answer()?;
        line.parse().map_err(|_| format!("librte_fib: {line}"))
    }

    fn answer(&mut self) -> Result<String, String> {
        let line = self.answers.next().ok_or("librte_fib has ended")?;
        line.map_err(|why| format!("librte_fib: {why}"))
    }
}

impl Drop for Fib {
    fn drop(&mut self) {
        // With nothing more to read it ends.
        drop(self.asks.take());
        let _ = self.process.wait();
    }
}

/// What is made up and written down of both families.
trait Family: Address {
    /// As librte_fib takes it.
    fn write(self, into: &mut Vec<u8>);
    fn random(random: &mut Random) -> Self;
    /// With its first bits changed so that it lies in the prefix.
    fn inside(self, prefix: Prefix<Self>) -> Self;
}

impl Family for u32 {
    fn write(self, into: &mut Vec<u8>) {
        into.extend(self.to_ne_bytes());
    }

    fn random(random: &mut Random) -> u32 {
        random.next() as u32
    }

    fn inside(self, prefix: Prefix<u32>) -> u32 {
        self ^ self.network(prefix.length()) ^ prefix.address()
    }
}

impl Family for u128 {
    fn write(self, into: &mut Vec<u8>) {
        into.extend(self.to_be_bytes());
    }

    fn random(random: &mut Random) -> u128 {
        u128::from(random.next()) << 64 | u128::from(random.next())
    }

    fn inside(self, prefix: Prefix<u128>) -> u128 {
        self ^ self.network(prefix.length()) ^ prefix.address()
    }
}

/// The process's resident memory, MiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages as f64 * 4096.0 / f64::from(1 << 20)
}

/// A random number generator that is the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// One of the values, each as often as its weight says.
    fn weighted(&mut self, weights: &[(u8, u32)]) -> u8 {
        let sum: u32 = weights.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(sum.into()) as u32;
        for (value, weight) in weights {
            if at < *weight {
                return *value;
            }
            at -= weight;
        }
        weights[0].0
    }
}

/// Prefix lengths in the Internet's IPv4 table, per mille.
const LENGTHS4: &[(u8, u32)] = &[
    (24, 600),
    (23, 100),
    (22, 110),
    (21, 48),
    (20, 44),
    (19, 28),
    (18, 18),
    (17, 12),
    (16, 18),
    (15, 4),
    (14, 3),
    (13, 2),
    (12, 1),
    (25, 3),
    (26, 2),
    (27, 1),
    (28, 1),
    (29, 1),
    (30, 1),
    (32, 3),
];

/// The same of IPv6.
const LENGTHS6: &[(u8, u32)] = &[
    (48, 450),
    (32, 140),
    (44, 90),
    (40, 90),
    (36, 50),
    (29, 30),
    (46, 30),
    (47, 30),
    (45, 20),
    (42, 20),
    (33, 15),
    (34, 10),
    (38, 10),
    (28, 3),
    (24, 2),
    (64, 8),
    (128, 2),
];

/// A table like the Internet's: two thirds of the longer prefixes are within shorter ones.
fn internet4(routes: usize) -> Vec<(Prefix<u32>, Leaf)> {
    let anywhere = |random: &mut Random| (1 << 24) + random.below(223 << 24) as u32;
    made_up(routes, LENGTHS4, 21, anywhere)
}

/// The same of IPv6: allocations lie side by side at the beginning of each registry's space.
fn internet6(routes: usize) -> Vec<(Prefix<u128>, Leaf)> {
    const REGISTRIES: [u128; 8] = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2a06, 0x2a10, 0x2c0f];
    let anywhere = |random: &mut Random| {
        let registry = REGISTRIES[random.below(8) as usize] << 112;
        // Allocations of a /29 each, one after the other, with holes.
        let within = u128::from((random.below(4 << 13) << 3) | (random.below(3) / 2 * random.below(8))) << 96;
        (registry + within) | (u128::from(random.next() & random.next()) << 32) | u128::from(random.next() >> 32)
    };
    made_up(routes, LENGTHS6, 36, anywhere)
}

fn made_up<A: Family>(
    count: usize,
    lengths: &[(u8, u32)],
    wide: u8,
    mut anywhere: impl FnMut(&mut Random) -> A,
) -> Vec<(Prefix<A>, Leaf)> {
    let mut random = Random(count as u64);
    let mut known = BTreeSet::new();
    let mut wides: Vec<Prefix<A>> = Vec::new();
    let mut routes = Vec::new();
    while routes.len() < count {
        let length = random.weighted(lengths);
        let address = anywhere(&mut random);
        let prefix = match wides.get(random.below(wides.len().max(1) as u64 * 3 / 2) as usize) {
            Some(over) if length > wide => Prefix::new(address.inside(*over), length),
            _ => Prefix::new(address, length),
        };
        if known.insert(prefix) {
            if length <= wide {
                wides.push(prefix);
            }
            routes.push((prefix, Leaf::new(random.below(HOPS.into()) as u32)));
        }
    }
    routes
}

/// Addresses, each in a random route.
fn addresses<A: Family>(routes: &[(Prefix<A>, Leaf)], random: &mut Random) -> Vec<A> {
    (0..ADDRESSES)
        .map(|_| {
            let (prefix, _) = routes[random.below(routes.len() as u64) as usize];
            A::random(random).inside(prefix)
        })
        .collect()
}
