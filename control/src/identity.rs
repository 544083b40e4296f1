//! Who the switch is to its neighbours: a MAC of its own, made once and the same after every restart.

use crate::save::replace;
use mona_wire::Mac;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The router's MAC. It is kept beside the startup-config; where that cannot be, it is made of what does not change, and a
/// sentence says so.
pub fn mac(config: &Path, name: &str) -> (Mac, Option<String>) {
    let file = file(config);
    let wrong = match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<Mac>() {
            Ok(mac) if !mac.is_group() && mac.0 != [0; 6] => return (mac, None),
            _ => format!("{}: no MAC address: remove the file and restart", file.display()),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => match random() {
            Ok(mac) => match replace(&file, &format!("{mac}\n")) {
                Ok(()) => return (mac, None),
                Err(why) => why,
            },
            Err(e) => e.to_string(),
        },
        Err(e) => format!("{}: {e}", file.display()),
    };
    let mac = derived(config, name);
    let what = format!("{wrong}; the router's MAC address is {mac}, made of");
    (mac, Some(format!("{what} the machine's id, --name and --config")))
}

/// `startup-config.mac`
fn file(config: &Path) -> PathBuf {
    let mut file = config.as_os_str().to_owned();
    file.push(".mac");
    file.into()
}

fn random() -> io::Result<Mac> {
    let mut bytes = [0; 6];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(local(bytes))
}

fn derived(config: &Path, name: &str) -> Mac {
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    // FNV-1a: it is the same in every release.
    let all = machine.iter().chain(name.as_bytes()).chain(config.as_os_str().as_encoded_bytes());
    let hash =
        all.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let [_, _, bytes @ ..] = hash.to_be_bytes();
    local(bytes)
}

/// Unicast, locally administered (IEEE 802 8.4).
fn local(mut bytes: [u8; 6]) -> Mac {
    bytes[0] = bytes[0] & !1 | 2;
    Mac(bytes)
}

#[cfg(test)]
mod tests {
    use super::mac;
    use std::fs;

    #[test]
    fn it_is_made_once_and_said_when_it_cannot_be_kept() {
        let dir = std::env::temp_dir().join(format!("mona-identity-{}", std::process::id()));
        let config = dir.join("startup-config");
        let (first, said) = mac(&config, "mona");
        assert!(said.is_none() && first.0[0] & 3 == 2, "{first} {said:?}");
        assert_eq!(mac(&config, "mona"), (first, None));
        assert_eq!(fs::read_to_string(dir.join("startup-config.mac")).expect("it is kept"), format!("{first}\n"));
        for (text, expect) in
            [("", false), ("0100.5e00.0001", false), ("0000.0000.0000", false), ("02:00:00:00:00:09", true)]
        {
            fs::write(dir.join("startup-config.mac"), text).expect("a file");
            let (mac, said) = mac(&config, "mona");
            assert_eq!(said.is_none(), expect, "{text}: {mac} {said:?}");
        }
        // Where a file is no directory there is no file.
        fs::write(dir.join("flat"), "").expect("a file");
        let config = dir.join("flat/startup-config");
        let ((one, said), (two, _), (other, _)) = (mac(&config, "mona"), mac(&config, "mona"), mac(&config, "mona2"));
        assert!(said.is_some_and(|said| said.contains("made of")) && one == two && one != other && one.0[0] & 3 == 2);
        fs::remove_dir_all(dir).expect("it goes");
    }
}
