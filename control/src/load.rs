//! How busy the machine and the switch's threads are, and where its memory is: what `show processes cpu` and `show memory
//! statistics` say.

use mona_model::shown_host::{MemoryPool, Process, Processes};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{fs, io};

/// What averages are taken over, seconds.
const OVER: [f64; 3] = [5.0, 60.0, 300.0];

/// What the kernel has counted until now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Of all CPUs, in ticks: all time, what was not idle, and what of that went to interrupts.
    machine: [u64; 3],
    /// CPUs there are.
    cpus: usize,
    /// By their numbers.
    threads: BTreeMap<u32, Thread>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Thread {
    name: String,
    /// How long it ran.
    ran: Duration,
    /// How often it was given a CPU.
    turns: u64,
}

/// Averages of what was read every few seconds.
#[derive(Clone, Debug, Default)]
pub struct Load {
    last: Option<(Instant, Reading)>,
    busy: [f64; 3],
    interrupts: f64,
    threads: BTreeMap<u32, [f64; 3]>,
}

impl Load {
    /// Reads what the kernel counts; what it does not tell stays as it was.
    pub fn sample(&mut self) {
        if let Ok(reading) = Reading::take() {
            self.add(Instant::now(), reading);
        }
    }

    fn add(&mut self, now: Instant, reading: Reading) {
        let last = self.last.replace((now, reading.clone()));
        let Some((then, before)) = last.filter(|(then, _)| *then < now) else { return };
        let spent = (now - then).as_secs_f64();
        let weights = OVER.map(|over| 1.0 - (-spent / over).exp());
        let [all, busy, interrupts] = [0, 1, 2].map(|of| reading.machine[of].saturating_sub(before.machine[of]) as f64);
        if all > 0.0 {
            weigh(&mut self.busy, weights, busy / all);
            self.interrupts += weights[0] * (interrupts / all - self.interrupts);
        }
        let share = |(number, thread): (&u32, &Thread)| {
            let ran = before.threads.get(number).map_or(thread.ran, |before| thread.ran.saturating_sub(before.ran));
            let mut averages = self.threads.get(number).copied().unwrap_or_default();
            weigh(&mut averages, weights, ran.as_secs_f64() / spent / reading.cpus.max(1) as f64);
            (*number, averages)
        };
        // Those that ended are gone.
        self.threads = reading.threads.iter().map(share).collect();
    }

    /// The averages; `sorted`: the busiest thread first, otherwise by number.
    pub fn shown(&self, sorted: bool) -> Processes {
        let percent = |shares: [f64; 3]| shares.map(|share| share * 100.0);
        let read = self.last.iter().flat_map(|(_, reading)| &reading.threads);
        let mut threads: Vec<Process> = read
            .map(|(number, thread)| Process {
                pid: *number,
                name: thread.name.clone(),
                runtime_ms: thread.ran.as_millis() as u64,
                invoked: thread.turns,
                busy: percent(self.threads.get(number).copied().unwrap_or_default()),
            })
            .collect();
        if sorted {
            threads.sort_by(|a, b| b.busy[0].total_cmp(&a.busy[0]));
        }
        Processes { busy: percent(self.busy), interrupts: self.interrupts * 100.0, threads }
    }
}

/// Exponential averages, as IOS has them: what is as old as the time they are taken over counts a third.
fn weigh(averages: &mut [f64; 3], weights: [f64; 3], value: f64) {
    averages.iter_mut().zip(weights).for_each(|(average, weight)| *average += weight * (value - *average));
}

impl Reading {
    fn take() -> io::Result<Reading> {
        let mut reading = Reading::of_machine(&fs::read_to_string("/proc/stat")?);
        for entry in fs::read_dir("/proc/self/task")? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            // It may just have ended.
            let texts = fs::read_to_string(path.join("comm")).and_then(|name| {
                let times = fs::read_to_string(path.join("schedstat"))?;
                Ok((name, times))
            });
            if let (Some(number), Ok((name, times))) = (number, texts) {
                reading.threads.insert(number, Thread::of(&name, &times));
            }
        }
        Ok(reading)
    }

    /// `/proc/stat`: `cpu` and how long all CPUs were in user, nice, system, idle, iowait, irq, softirq, steal; a line for each.
    fn of_machine(text: &str) -> Reading {
        let mut lines = text.lines().filter(|line| line.starts_with("cpu"));
        let sum = lines.next().unwrap_or_default();
        let ticks: Vec<u64> = sum.split_whitespace().skip(1).take(8).map(|word| word.parse().unwrap_or(0)).collect();
        let of = |places: &[usize]| places.iter().filter_map(|place| ticks.get(*place)).sum::<u64>();
        let all = ticks.iter().sum();
        Reading { machine: [all, all - of(&[3, 4]), of(&[5, 6])], cpus: lines.count(), threads: BTreeMap::new() }
    }
}

impl Thread {
    /// `comm`, and `schedstat`: nanoseconds it ran, nanoseconds it waited, how often it was given a CPU.
    fn of(name: &str, times: &str) -> Thread {
        let mut numbers = times.split_whitespace().map(|word| word.parse().unwrap_or(0));
        let (ran, _, turns) = (numbers.next(), numbers.next(), numbers.next());
        Thread { name: name.trim().into(), ran: Duration::from_nanos(ran.unwrap_or(0)), turns: turns.unwrap_or(0) }
    }
}

/// Memory, as the kernel has it now: the rings in which frames come and go, all taken when they are made; and everything else,
/// with what the host could still give.
pub fn pools() -> io::Result<Vec<MemoryPool>> {
    let read = |name: &str| fs::read_to_string(name);
    Ok(pools_of(&read("/proc/self/status")?, &read("/proc/self/maps")?, &read("/proc/meminfo")?).into())
}

fn pools_of(status: &str, maps: &str, meminfo: &str) -> [MemoryPool; 2] {
    // `VmRSS:    1234 kB`
    let bytes = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    // `7f00-7f80 rw-s 00000000 00:08 4242   socket:[4242]`
    let ring = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let [start, end] = [start, end].map(|word| u64::from_str_radix(word, 16).ok());
        line.contains("socket:[").then_some(end? - start?)
    };
    let rings: u64 = maps.lines().filter_map(ring).sum();
    let free = bytes(meminfo, "MemAvailable");
    let [now, most] = ["VmRSS", "VmHWM"].map(|name| bytes(status, name).saturating_sub(rings));
    let total = now + free;
    [
        MemoryPool { name: "Processor".into(), total, used: now, lowest: total.saturating_sub(most) },
        MemoryPool { name: "I/O".into(), total: rings, used: rings, lowest: 0 },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(machine: [u64; 3], ran_ms: u64) -> Reading {
        let thread = Thread { name: "worker 0".into(), ran: Duration::from_millis(ran_ms), turns: 7 };
        Reading { machine, cpus: 2, threads: [(42, thread)].into() }
    }

    #[test]
    fn averages_approach_what_is() {
        let (mut load, start) = (Load::default(), Instant::now());
        assert_eq!(load.shown(false), Processes::default());
        // Half of two CPUs, a fifth of that interrupts; the thread has a CPU for itself.
        for n in 0..=60 {
            load.add(start + Duration::from_secs(5 * n), at([1000 * n, 500 * n, 100 * n], 5000 * n));
        }
        let shown = load.shown(true);
        let near = |is: f64, wanted: f64| assert!((is - wanted).abs() < 0.5, "{is}, not {wanted}: {shown:?}");
        near(shown.busy[0], 50.0);
        near(shown.busy[1], 50.0 * (1.0 - (-5.0f64).exp()));
        near(shown.busy[2], 50.0 * (1.0 - (-1.0f64).exp()));
        near(shown.interrupts, 10.0);
        let thread = &shown.threads[0];
        near(thread.busy[0], 50.0);
        assert_eq!((thread.pid, thread.runtime_ms, thread.invoked), (42, 300_000, 7));
        // A thread that ended.
        load.add(start + Duration::from_secs(400), Reading { threads: BTreeMap::new(), ..at([61_000, 0, 0], 0) });
        assert!(load.shown(false).threads.is_empty());
    }

    #[test]
    fn what_the_kernel_says_is_understood() {
        let stat = "cpu  10 20 30 400 5 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 9\n";
        let reading = Reading::of_machine(stat);
        assert_eq!((reading.machine, reading.cpus), ([486, 81, 13], 2));
        assert_eq!(Reading::of_machine(""), Reading::default());
        let thread = Thread::of("worker 0\n", "1500000000 99 12\n");
        assert_eq!(thread, Thread { name: "worker 0".into(), ran: Duration::from_millis(1500), turns: 12 });
        let maps = "1000-3000 rw-s 0 00:08 77  socket:[77]\n3000-4000 rw-p 0 00:00 0  [heap]\n";
        let [processor, rings] = pools_of("VmHWM:\t  60 kB\nVmRSS:\t  48 kB\n", maps, "MemAvailable:  100 kB\n");
        let kib = |pool: &MemoryPool| [pool.total, pool.used, pool.lowest].map(|bytes| bytes / 1024);
        assert_eq!((kib(&processor), kib(&rings)), ([140, 40, 88], [8, 8, 0]));
    }

    #[test]
    fn this_process_is_seen() {
        let reading = Reading::take().expect("/proc");
        assert!(reading.cpus > 0 && reading.machine[0] > 0 && !reading.threads.is_empty(), "{reading:?}");
        assert!(pools().expect("/proc")[0].used > 0);
    }
}
