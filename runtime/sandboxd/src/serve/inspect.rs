//! Who runs and who listens, from /proc.
//! Source: proc(5), `/proc/pid/stat`, `/proc/pid/statm`, `/proc/net/tcp`.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use exeat_inside::control::{Listener, Running};
use exeat_inside::limits;

/// The state of a listening socket.
const LISTEN: &str = "0A";

/// All processes but ourselves.
pub(super) fn processes() -> Vec<Running> {
    let ours = std::process::id().cast_signed();
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    pids().filter(|pid| *pid != ours).filter_map(|pid| process(pid, page)).take(limits::ENTRIES).collect()
}

fn process(pid: i32, page: u64) -> Option<Running> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = parent(&stat)?;
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok();
    let resident = pages.and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or_default();
    Some(Running { pid, parent, command: command(pid), memory_bytes: resident.saturating_mul(page) })
}

/// The fourth field. The second is a name in brackets, which may itself contain brackets and spaces.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A process's command line; its name where that is empty, as after its end.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    let mut shown = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    if shown.is_empty() {
        shown = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned();
    }
    shown.truncate(shown.floor_char_boundary(limits::SHOWN_COMMAND_BYTES));
    shown
}

/// Listening TCP sockets, less ours.
pub(super) fn listeners() -> Vec<Listener> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().skip(1).filter_map(listening).filter(|socket| !is_a_names(socket.address)));
    }
    let owners = if sockets.is_empty() { HashMap::new() } else { owners() };
    let ours = std::process::id().cast_signed();
    let of = |socket: Socket| {
        let pid = owners.get(&socket.inode).copied().unwrap_or_default();
        let command = if pid == 0 { String::new() } else { command(pid) };
        Listener { address: socket.address.to_string(), port: socket.port.into(), pid, command }
    };
    sockets.into_iter().map(of).filter(|listener| listener.pid != ours).take(limits::ENTRIES).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// The socket of a line, if it listens: local address, remote address and state are fields 2 to 4, the inode the tenth.
fn listening(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTEN, ..] = *fields.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    let inode = fields.get(9)?.parse().ok()?;
    Some(Socket { address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, inode })
}

/// The kernel prints an address as 32-bit words in its own byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words: Vec<u8> = [0, 8, 16, 24].into_iter().map(word).collect::<Option<Vec<_>>>()?.concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).into())
        }
        _ => None,
    }
}

/// Whether it is an address that stands for a name: sandboxd listens there itself.
fn is_a_names(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 127 && v4.octets()[1] & 0xc0 == 64)
}

/// Which process has which socket, as far as descriptors can be read.
fn owners() -> HashMap<u64, i32> {
    let mut owners = HashMap::new();
    for pid in pids() {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for descriptor in descriptors.flatten().take(limits::ENTRIES) {
            if let Some(inode) = fs::read_link(descriptor.path()).ok().as_deref().and_then(inode) {
                owners.entry(inode).or_insert(pid);
            }
        }
    }
    owners
}

/// `socket:[12345]`
fn inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(limits::ENTRIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        assert_eq!(parent("7 (a) S 1 (b)) R 42 7 7 0"), Some(42));
        assert_eq!(parent(""), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn only_listening_sockets_are_taken() {
        let rest = "00000000:00000000 00:00000000 00000000     0        0 12345 1 0000 100 0 0 10 0";
        let line = format!("   0: 0100007F:1F90 00000000:0000 0A {rest}");
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(listening(&line), Some(Socket { address, port: 8080, inode: 12345 }));
        assert_eq!(listening(&line.replace(" 0A ", " 01 ")), None);
        let six = format!("   0: 00000000000000000000000001000000:0050 0:0 0A {rest}");
        assert_eq!(listening(&six).unwrap().address, IpAddr::V6(Ipv6Addr::LOCALHOST));
        for broken in ["", "0: 1 2 0A", "0: é:1 2 0A x x x x x 1"] {
            assert_eq!(listening(broken), None, "{broken}");
        }
    }
}
