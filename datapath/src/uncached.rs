//! Why a decision is not remembered: one closed enum, at once counter index, `show` row and trace word. A new reason is one line in
//! the table below.

use crate::Drop;

macro_rules! reasons {
    ($($variant:ident $(($which:ty))? $name:literal $why:literal,)*) => {
        /// Why a decision is not remembered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Uncached { $(#[doc = $why] $variant $(($which))?,)* }

        /// The same without what it holds: a number.
        enum Index { $($variant,)* }

        impl Uncached {
            /// The word and the sentence of each, by [`Uncached::index`].
            pub const WORDS: &'static [(&'static str, &'static str)] = &[$(($name, $why),)*];
            /// How many reasons there are.
            pub const COUNT: usize = Uncached::WORDS.len();

            /// Its number among all.
            pub const fn index(self) -> usize {
                match self { $(Uncached::$variant { .. } => Index::$variant as usize,)* }
            }

            /// A sentence for an operator.
            pub const fn why(self) -> &'static str {
                Uncached::WORDS[self.index()].1
            }
        }
    };
}

reasons! {
    Off "off" "platform flow-cache is off for the switch or one of the ports",
    Dropped(Drop) "dropped" "it is dropped, which is counted exactly",
    Flood "flood" "it goes to too many ports, or some do not get it for its size",
    Punt "punt" "it goes to the switch itself",
    Learning "learning" "its source is still to be learned",
    Told "told" "control is shown frames like it (a log line, a redirect)",
    Fragmented "fragmented" "it leaves in fragments",
    Header "header" "its packet has options or extension headers, is a fragment, or ends early",
    Beyond "beyond" "it is decided by the flow label, which a key does not hold",
    Device "device" "the device of one of its ports cannot be reached from the other's program",
    Once "once" "the worker has more to do than it gets done, and has not seen the like before",
    Late "late" "what it depends on changed before it was entered",
    Lost "lost" "more is to be entered than control gets done",
}
