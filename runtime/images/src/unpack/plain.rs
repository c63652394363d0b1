//! A layer decompressed, hashed and bounded.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use exeat_digest::Digest;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::fault::Reason;
use crate::digest::LayerId;
use crate::limits;

/// The bytes that were looked at, then the rest.
type Peeked<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Decoder<R: Read> {
    Tar(Peeked<R>),
    Gzip(Box<MultiGzDecoder<Peeked<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Peeked<R>>),
}

/// Reads a layer as tar, whatever it came as.
pub(super) struct Plain<R: Read> {
    decoder: Decoder<R>,
    hash: Sha256,
    size: u64,
    most: u64,
}

impl<R: Read> Plain<R> {
    /// Looks at the first bytes, as container engines do: media types are often wrong, and `diff_id` settles it.
    pub(super) fn new(mut layer: R, most: u64) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        layer.by_ref().take(4).read_to_end(&mut head)?;
        let form = head.clone();
        let whole = BufReader::with_capacity(limits::BUFFER_BYTES, Cursor::new(head).chain(layer));
        let decoder = match form[..] {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(whole))),
            // RFC 8878: a frame, or one to be skipped, with which indexed layers may begin.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Decoder::Zstd(zstd_decoder(whole)?),
            _ => Decoder::Tar(whole),
        };
        Ok(Self { decoder, hash: Sha256::new(), size: 0, most })
    }

    /// Reads to the end, since what follows the tar's end counts for the digest too.
    pub(super) fn finish(mut self) -> io::Result<(LayerId, u64)> {
        let mut scrap = vec![0; limits::BUFFER_BYTES];
        while self.read(&mut scrap)? > 0 {}
        Ok((LayerId(Digest::from(self.hash)), self.size))
    }
}

fn zstd_decoder<R: BufRead>(inner: R) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
    decoder.window_log_max(limits::ZSTD_WINDOW)?;
    Ok(decoder)
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Tar(inner) => inner.read(buffer),
            Decoder::Gzip(inner) => inner.read(buffer),
            Decoder::Zstd(inner) => inner.read(buffer),
        }?;
        self.size += read as u64;
        if self.size > self.most {
            return Err(io::Error::other(Reason::LayerBytes(self.most)));
        }
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
