//! The control protocols: pure machines, one folder each, all with the same verbs.
//!
//! `configure(now, config, out)` says what shall be, `input(now, in, …, out)` what happened, `expire(now, out)` that time
//! passed; `deadline()` is when it wants to be called next. What a machine wants done it pushes to `out`, in order. There
//! is no clock, I/O, thread, randomness or hash order in here, and no machine calls another: control steps them.

pub mod neigh;
