//! pkt-lines, in which git's protocols are written: four hex digits of length, which count themselves, then the data
//! (<https://git-scm.com/docs/gitprotocol-common>, "pkt-line Format").

/// The longest pkt-line, its length included.
const LONGEST: usize = 65_520;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// `0000`: the end of a section.
    Flush,
    /// `0001` and `0002`, which protocol version 2 has.
    Special,
    /// Anything else.
    Data(&'a [u8]),
}

/// Reads the first packet of `input`: the packet and how many bytes it took, or `None` where it is not complete.
///
/// # Errors
/// Says why no continuation could make it a packet.
pub(crate) fn read(input: &[u8]) -> Result<Option<(Packet<'_>, usize)>, &'static str> {
    let prefix = &input[..input.len().min(4)];
    if !prefix.iter().all(u8::is_ascii_hexdigit) {
        return Err("a pkt-line does not start with its length in four hex digits");
    }
    if prefix.len() < 4 {
        return Ok(None);
    }
    let length = prefix.iter().fold(0, |sum, &digit| sum * 16 + hex_value(digit));
    match length {
        0 => Ok(Some((Packet::Flush, 4))),
        1 | 2 => Ok(Some((Packet::Special, 4))),
        3 => Err("a pkt-line has the length 3, which is reserved"),
        LONGEST.. if length > LONGEST => Err("a pkt-line is longer than 65,520 bytes"),
        _ => Ok(input.get(4..length).map(|data| (Packet::Data(data), length))),
    }
}

/// Appends `data` as one packet. What is longer than a packet can be is cut.
pub(crate) fn write(out: &mut Vec<u8>, data: &[u8]) {
    let data = &data[..data.len().min(LONGEST - 4)];
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}

/// Appends a flush-pkt.
pub(crate) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

fn hex_value(digit: u8) -> usize {
    usize::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn packets_are_told_by_their_lengths() {
        assert_eq!(read(b"0006a\nrest"), Ok(Some((Packet::Data(b"a\n"), 6))));
        assert_eq!(read(b"000Aabcdef"), Ok(Some((Packet::Data(b"abcdef"), 10))));
        assert_eq!(read(b"0004"), Ok(Some((Packet::Data(b""), 4))));
        assert_eq!(read(b"0000PACK"), Ok(Some((Packet::Flush, 4))));
        assert_eq!(read(b"0001"), Ok(Some((Packet::Special, 4))));
        assert_eq!(read(b"00"), Ok(None));
        assert_eq!(read(b"0009abc"), Ok(None));
        for broken in [&b"PACK"[..], b"+004", b"0x10", b"0003", b"fff1", b"ffff", b"\x1f\x8b", b" 006a\n"] {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(input in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(Some((_, length))) = read(&input) {
                prop_assert!((4..=input.len()).contains(&length));
            }
        }

        #[test]
        fn what_is_written_is_read(data in prop::collection::vec(any::<u8>(), 0..1000), rest in any::<[u8; 9]>()) {
            let mut out = Vec::new();
            write(&mut out, &data);
            let length = out.len();
            out.extend(rest);
            prop_assert_eq!(read(&out), Ok(Some((Packet::Data(&data), length))));
        }
    }
}
