//! `testbed wire NS:TAP NS:TAP`: a cable between two taps. A tap without a guest has no carrier and nobody behind it; this
//! opens both ends and carries frames from each to the other, as a guest's network card and its wire would.

use crate::netns::inside;
use mona_datapath::io::tap;
use std::fs::File;
use std::io::{Read, Write};

/// Opens both taps (`namespace:name`) and carries frames until one of them is gone. Errors say which tap and why.
pub fn wire(a: &str, b: &str) -> Result<(), String> {
    let (a, b) = (open(a)?, open(b)?);
    let (a2, b2) = (a.try_clone().map_err(text)?, b.try_clone().map_err(text)?);
    std::thread::scope(|scope| {
        scope.spawn(|| carry(a, b2));
        carry(b, a2);
    });
    Ok(())
}

fn open(end: &str) -> Result<File, String> {
    let (namespace, name) = end.split_once(':').ok_or_else(|| format!("{end}: write NAMESPACE:TAP"))?;
    inside(namespace, || tap::open(name)).map_err(|e| format!("{end}: {e}"))
}

fn carry(mut from: File, mut to: File) {
    let mut frame = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut frame) {
        // The far tap may be down for a moment (EIO): such a frame is lost, as on a wire.
        let _ = to.write(&frame[..length]);
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
