//! When a worker does without asking about flows with their first frames: for a while after its ports lost frames, since to
//! enter a flow takes control longer than to send a frame. If it loses frames again as soon as it asks, it asks ever more seldom.
//! Not if flows have further frames: to wait for those brings more work than it saves.

/// How long the first time, and at most, in nanoseconds.
const SHORTEST: u64 = 8_000_000;
const LONGEST: u64 = 1_000_000_000;
/// One of so many frames lost is a burst.
const FEW: u64 = 16;

/// A worker's.
#[derive(Debug, Default)]
pub struct Restraint {
    /// This tick of the coarse clock, what had been lost before it, and what came in it.
    tick: u64,
    lost: u64,
    came: u64,
    /// How long the last time, as far as that still matters, and until when.
    length: u64,
    until: u64,
}

impl Restraint {
    /// Now that so many more frames came: is it such a time? `lost`: since ever, asked once a tick, for who loses frames writes it;
    /// `back`: flows have more frames.
    #[inline]
    pub fn applies(&mut self, now: u64, came: usize, lost: impl FnOnce() -> u64, back: bool) -> bool {
        if now != self.tick {
            let lost = lost();
            self.judge(now, lost.wrapping_sub(self.lost), back);
            (self.tick, self.lost, self.came) = (now, lost, 0);
        }
        self.came += came as u64;
        now < self.until
    }

    /// A tick is over.
    fn judge(&mut self, now: u64, lost: u64, back: bool) {
        if back {
            (self.length, self.until) = (0, 0);
            return;
        }
        // What was lost meanwhile was not lost for asking.
        if self.tick < self.until {
            return;
        }
        if lost * FEW > self.came {
            self.length = (self.length * 2).clamp(SHORTEST, LONGEST);
            self.until = now + self.length;
        } else {
            self.length /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of 4 ms; how many of each hundred are such times, if beside 1,000 frames a tick so many are lost while all are asked
    /// about, and so many while they are not?
    fn shares(asking: u64, otherwise: u64, back: bool) -> Vec<usize> {
        let (mut restraint, mut lost) = (Restraint::default(), 0);
        let mut tick = |number: u64| {
            let applies = restraint.applies(number * 4_000_000, 1000, || lost, back);
            lost += if applies { otherwise } else { asking };
            applies
        };
        (0..10).map(|hundred| (1..=100).filter(|number| tick(hundred * 100 + number)).count()).collect()
    }

    #[test]
    fn who_loses_frames_by_asking_asks_ever_more_seldom() {
        for (asking, back) in [(0, false), (50, false), (600, true)] {
            assert_eq!(shares(asking, 500, back), [0; 10], "{asking} lost; flows have more frames: {back}");
        }
        for otherwise in [0, 10, 500] {
            let shares = shares(600, otherwise, false);
            assert!(shares[0] > 80 && shares[1..].iter().all(|share| *share >= 98), "{otherwise}: {shares:?}");
        }
    }

    #[test]
    fn who_lost_frames_once_asks_again_at_once() {
        let mut restraint = Restraint::default();
        let lost = |tick: u64| if tick < 50 { 0 } else { 500 };
        let all: Vec<u64> =
            (1..200).filter(|tick| restraint.applies(tick * 4_000_000, 1000, || lost(*tick), false)).collect();
        assert_eq!(all, [50, 51]);
    }
}
