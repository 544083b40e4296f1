//! A token bucket on virtual time.

use mona_wire::Instant;

const SECOND: u64 = 1_000_000_000;

/// As many tokens at once as in a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// The instant at which the bucket is full again (the virtual scheduling time of GCRA): all there is to remember.
    full: u64,
}

impl Bucket {
    /// Takes a token, `per_second` of which come in a second; `false` if there is none.
    pub fn take(&mut self, now: Instant, per_second: u32) -> bool {
        let Some(each) = SECOND.checked_div(per_second.into()) else { return false };
        let full = self.full.max(now.0);
        let taken = full.saturating_add(each) <= now.0.saturating_add(SECOND);
        if taken {
            self.full = full + each;
        }
        taken
    }
}
