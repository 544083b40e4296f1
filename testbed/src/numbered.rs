//! Frames with a number each, from a raw socket to others, one after the other until it is told to stop: which arrived where,
//! and in what order.

use crate::netns::wait;
use mona_datapath::io::raw::RawSocket;
use nix::sys::socket::{setsockopt, sockopt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// A sink hears nothing for so long: nothing is on the way any more.
const QUIET: Duration = Duration::from_millis(500);
/// What a sink that is not scheduled may leave in its socket.
const BUFFER: usize = 16 << 20;
/// So many may be on their way: a worker that gets no CPU for a while has room for them. Or else they are lost, and come slowly.
const WINDOW: u32 = 64;
/// That slowly.
const SLOW: Duration = Duration::from_millis(5);
/// The shortest frame with some room.
const LENGTH: usize = 74;

/// A stream that runs.
pub struct Numbered {
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicU32>,
    got: Arc<AtomicU32>,
    sender: JoinHandle<u32>,
    sinks: Vec<JoinHandle<Vec<u32>>>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// So many frames were sent: they have the numbers below.
    pub sent: u32,
    /// The numbers that arrived at each sink, as they came.
    pub at: Vec<Vec<u32>>,
}

impl Numbered {
    /// Frames of this head, so long apart. Of whatever becomes of the head on the way, a sink knows the stream's by `id`.
    pub fn start(out: RawSocket, sinks: Vec<RawSocket>, head: Vec<u8>, id: u16, gap: Duration) -> Numbered {
        let stop = Arc::<AtomicBool>::default();
        let [begun, got, latest] = <[Arc<AtomicU32>; 3]>::default();
        let mark = [&b"mona"[..], &id.to_be_bytes()].concat();
        let receive = |sink: RawSocket| {
            setsockopt(&sink, sockopt::RcvBufForce, &BUFFER).expect("root may have buffers");
            let (mark, stop, got, latest) = (mark.clone(), stop.clone(), got.clone(), latest.clone());
            spawn(move || {
                let (mut numbers, mut buffer, mut last) = (Vec::new(), [0; 2048], Instant::now());
                // Frames of others may come for ever.
                while !(stop.load(Ordering::Relaxed) && last.elapsed() > QUIET) {
                    match sink.receive_into(&mut buffer, QUIET) {
                        Ok(Some(length)) => {
                            if let Some(number) = number(&buffer[..length], &mark) {
                                numbers.push(number);
                                last = Instant::now();
                                got.fetch_add(1, Ordering::Relaxed);
                                latest.fetch_max(number + 1, Ordering::Relaxed);
                            }
                        }
                        Ok(None) => {}
                        // Its device may be gone for a while.
                        Err(_) => sleep(QUIET / 50),
                    }
                }
                numbers
            })
        };
        let sinks = sinks.into_iter().map(receive).collect();
        let sender = {
            let (stop, begun) = (stop.clone(), begun.clone());
            spawn(move || {
                let mut next = 0u32;
                while !stop.load(Ordering::Relaxed) {
                    let mut frame = [&head[..], &mark, &next.to_be_bytes()].concat();
                    frame.resize(frame.len().max(LENGTH), 0);
                    next += 1;
                    begun.store(next, Ordering::SeqCst);
                    out.send(&frame).expect("sent");
                    sleep(if next - latest.load(Ordering::Relaxed) < WINDOW { gap } else { gap.max(SLOW) });
                }
                next
            })
        };
        Numbered { stop, begun, got, sender, sinks }
    }

    /// The number of the first frame whose sending has not begun.
    pub fn next(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Do so many more arrive?
    pub fn goes_on(&self, frames: u32) -> bool {
        let until = self.got.load(Ordering::Relaxed) + frames;
        wait(|| self.got.load(Ordering::Relaxed) >= until)
    }

    /// Does nothing arrive for a while?
    pub fn stops(&self) -> bool {
        wait(|| {
            let before = self.got.load(Ordering::Relaxed);
            sleep(QUIET);
            self.got.load(Ordering::Relaxed) == before
        })
    }

    /// Ends it; of several all together, so that their ends are waited for at once.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends it, and says what became of it.
    pub fn end(self) -> Arrived {
        self.stop();
        let sent = self.sender.join().expect("it sends");
        Arrived { sent, at: self.sinks.into_iter().map(|sink| sink.join().expect("it receives")).collect() }
    }
}

impl Arrived {
    /// Did every frame arrive at the first sink, once and in order? If not, where.
    pub fn whole(&self) -> Result<(), String> {
        self.until(self.sent)
    }

    /// Did all frames below this number, and no others?
    pub fn until(&self, end: u32) -> Result<(), String> {
        let got = &self.at[0];
        let gaps = got.windows(2).filter(|pair| pair[1] != pair[0] + 1).map(|pair| (pair[0], pair[1]));
        let all = got.iter().copied().eq(0..end);
        let gaps: Vec<_> = gaps.take(8).collect();
        all.then_some(()).ok_or_else(|| format!("{} of {end} (sent: {}), not in row: {gaps:?}", got.len(), self.sent))
    }
}

/// The number behind the mark.
fn number(frame: &[u8], mark: &[u8]) -> Option<u32> {
    let at = frame.windows(mark.len()).position(|bytes| bytes == mark)? + mark.len();
    Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_them() {
        let table: [(u32, &[u32], bool); 5] = [
            (3, &[0, 1, 2], true),
            (3, &[0, 2], false),
            (3, &[0, 2, 1], false),
            (3, &[0, 1, 1, 2], false),
            (3, &[0, 1], false),
        ];
        for (sent, numbers, whole) in table {
            assert_eq!(Arrived { sent, at: vec![numbers.to_vec()] }.whole().is_ok(), whole, "{numbers:?}");
        }
        assert_eq!(number(b"head, then mona\0\x07\0\0\x01\x02", b"mona\0\x07"), Some(0x102));
        assert_eq!(number(b"head, then mona\0\x08\0\0\x01\x02", b"mona\0\x07"), None);
        assert_eq!(number(b"cut mona\0\x07\0", b"mona\0\x07"), None);
    }
}
