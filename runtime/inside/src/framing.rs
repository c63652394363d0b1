//! gRPC's frames: a byte that says whether the message is compressed, its length, the message.
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Length-Prefixed-Message".

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use crate::limits;

const PREFIX: usize = 5;

/// Bytes that are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misframed {
    /// We offer no compression.
    #[error("a message is compressed, which was not offered")]
    Compressed,
    /// Longer than [`limits::MESSAGE_BYTES`].
    #[error("a message of {0} bytes is longer than 4 MiB")]
    TooLong(usize),
    /// The stream ended within a frame.
    #[error("a message breaks off")]
    Cut,
    /// Not the expected message.
    #[error("a message cannot be decoded")]
    Undecodable,
}

/// `message` in its frame.
pub fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    // Both sides refuse what is longer than MESSAGE_BYTES, so a length that does not fit is refused as well.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_slice(&message.encode_to_vec());
    bytes.freeze()
}

/// Takes messages out of bytes that come in pieces of any size. It holds one message and one piece at most, as long
/// as its user takes messages out before adding the next piece.
#[derive(Debug, Default)]
pub struct Unframe {
    buffer: BytesMut,
}

impl Unframe {
    /// Adds the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next message, once all of it is there.
    ///
    /// # Errors
    /// [`Misframed`], after which the stream is of no further use.
    pub fn take<M: Message + Default>(&mut self) -> Result<Option<M>, Misframed> {
        let Some(&[compressed, a, b, c, d]) = self.buffer.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if compressed != 0 {
            return Err(Misframed::Compressed);
        }
        if length > limits::MESSAGE_BYTES {
            return Err(Misframed::TooLong(length));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        let message = self.buffer.split_to(length).freeze();
        M::decode(message).map(Some).map_err(|_| Misframed::Undecodable)
    }

    /// Whether the stream may end here.
    ///
    /// # Errors
    /// [`Misframed::Cut`] where a frame has begun.
    pub fn finish(&self) -> Result<(), Misframed> {
        if self.buffer.is_empty() { Ok(()) } else { Err(Misframed::Cut) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::process::{ProcessConfig, StartRequest, StartResponse, start_response::Event};

    fn stdout(bytes: Vec<u8>) -> StartResponse {
        StartResponse { event: Some(Event::Stdout(bytes.into())) }
    }

    /// Everything in `bytes`, which come in pieces of `size`.
    fn all<M: Message + Default>(bytes: &[u8], size: usize) -> Result<Vec<M>, Misframed> {
        let mut unframe = Unframe::default();
        let mut messages = Vec::new();
        for piece in bytes.chunks(size) {
            unframe.push(piece);
            while let Some(message) = unframe.take()? {
                messages.push(message);
            }
        }
        unframe.finish().map(|()| messages)
    }

    #[test]
    fn the_frame_is_as_grpc_has_it() {
        // Field 1, wire type 2, "ls", in field 1 of the request.
        let config = ProcessConfig { command: vec!["ls".into()], ..Default::default() };
        let request = StartRequest { config: Some(config), pty: None };
        assert_eq!(frame(&request)[..], *b"\0\0\0\0\x06\x0a\x04\x0a\x02ls");
    }

    #[test]
    fn broken_frames_are_told_apart() {
        assert_eq!(all::<StartResponse>(b"\x01\0\0\0\0", 9), Err(Misframed::Compressed));
        assert_eq!(all::<StartResponse>(b"\0\xff\0\0\0", 9), Err(Misframed::TooLong(0xff00_0000)));
        assert_eq!(all::<StartResponse>(b"\0\0\0\0\x03ab", 9), Err(Misframed::Cut));
        assert_eq!(all::<StartResponse>(b"\0\0\0\0\x02\xff\xff", 9), Err(Misframed::Undecodable));
    }

    proptest! {
        #[test]
        fn what_is_framed_comes_out_again(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8), size in 1usize..40,
        ) {
            let messages: Vec<_> = texts.into_iter().map(stdout).collect();
            let bytes: Vec<u8> = messages.iter().flat_map(frame).collect();
            prop_assert_eq!(all::<StartResponse>(&bytes, size), Ok(messages));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..40) {
            let _ = all::<StartResponse>(&bytes, size);
            let mut whole = vec![0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()];
            whole.extend(bytes);
            let _ = all::<crate::control::Processes>(&whole, size);
        }
    }
}
