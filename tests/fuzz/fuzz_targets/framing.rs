//! HTTP/1 framing: no panic, and the pieces that bytes arrive in change nothing.
#![no_main]

use exeat_proxy::Scanner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    assert_eq!(accepted(bytes, bytes.len().max(1)), accepted(bytes, usize::from(size).max(1)));
});

/// How many bytes are accepted before a violation or the end, and whether there was one.
fn accepted(bytes: &[u8], size: usize) -> (usize, bool) {
    let (mut scanner, mut accepted, mut arrived) = (Scanner::default(), 0, 0);
    while arrived < bytes.len() {
        arrived = (arrived + size).min(bytes.len());
        loop {
            match scanner.scan(&bytes[accepted..arrived]) {
                Ok(0) => break,
                Ok(more) => accepted += more,
                Err(_) => return (accepted, true),
            }
        }
    }
    (accepted, false)
}
