//! Bytes that cannot print.

use zeroize::Zeroizing;

/// A secret: wiped when dropped, and without any way to print, compare or serialise it by accident.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes, without the line end that files and commands put behind them.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            bytes.pop();
        }
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for the one place that writes them into a header.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}
