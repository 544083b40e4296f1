//! Where the switch is tried: namespaces with real hosts, scenarios on virtual time, transcripts of the shell. It may know
//! everything; nothing knows it.

pub mod frr;
pub mod netns;
pub mod numbered;
pub mod replay;
pub mod sim;
pub mod speech;
pub mod stream;
pub mod toggler;
pub mod transcript;
pub mod wire;
