//! A MAC address (802-2014 clause 8).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A 48-bit MAC address. Displayed as IOS does: `0011.2233.4455`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Mac = Mac([0xff; 6]);
    /// 00:00:00:00:00:00, never a station.
    pub const ZERO: Mac = Mac([0; 6]);

    /// The address as the low 48 bits of a word.
    #[inline]
    pub const fn to_u64(self) -> u64 {
        // In two words, not six bytes: this is done for every frame.
        let [a, b, c, d, e, f] = self.0;
        (u32::from_be_bytes([a, b, c, d]) as u64) << 16 | u16::from_be_bytes([e, f]) as u64
    }

    /// The address in the low 48 bits of `word`.
    #[inline]
    pub const fn from_u64(word: u64) -> Mac {
        let b = word.to_be_bytes();
        Mac([b[2], b[3], b[4], b[5], b[6], b[7]])
    }

    /// Is the group bit set? Broadcast is a group address too.
    #[inline]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Is it one of 01-80-C2-00-00-00..0F, which no bridge relays (802.1Q-2018 table 8-1)?
    #[inline]
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, [0x01, 0x80, 0xc2, 0, 0, 0..=0xf])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = &'static str;

    /// Accepts `0011.2233.4455`, `00:11:22:33:44:55` and `00-11-22-33-44-55`.
    fn from_str(text: &str) -> Result<Mac, Self::Err> {
        const WRONG: &str = "a MAC address is written H.H.H (0011.2233.4455) or with colons (00:11:22:33:44:55)";
        let group = if text.contains('.') { 4 } else { 2 };
        let (mut word, mut digits) = (0u64, 0usize);
        for part in text.split(['.', ':', '-']) {
            // IOS takes leading zeros of a group as optional: `1.2.3`.
            if part.is_empty() || part.len() > group {
                return Err(WRONG);
            }
            let value = u64::from_str_radix(part, 16).map_err(|_| WRONG)?;
            word = word << (4 * group) | value;
            digits += group;
            if digits > 12 {
                return Err(WRONG);
            }
        }
        if digits == 12 { Ok(Mac::from_u64(word)) } else { Err(WRONG) }
    }
}

impl TryFrom<String> for Mac {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Mac, Self::Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}
