//! HTTP/2 by hand, as far as it takes to send what no library would.

use exeat_tests::{PATIENCE, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A response with status 200.
    Ok,
    /// A response with another status.
    Refused,
    /// RST_STREAM, GOAWAY, or the connection closed.
    Broken,
}

/// Sends one request with exactly these fields and this body, and waits for what becomes of it.
pub(crate) async fn request(mut wire: Wire, fields: &[(&[u8], &[u8])], body: Option<&[u8]>) -> Outcome {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    let end = if body.is_none() { END_STREAM } else { 0 };
    frame(&mut bytes, HEADERS, END_HEADERS | end, 1, &encode(fields));
    if let Some(body) = body {
        frame(&mut bytes, DATA, END_STREAM, 1, body);
    }
    if wire.write_all(&bytes).await.is_err() || wire.flush().await.is_err() {
        return Outcome::Broken;
    }
    tokio::time::timeout(PATIENCE, outcome(&mut wire)).await.expect("nothing became of the stream")
}

async fn outcome(wire: &mut Wire) -> Outcome {
    loop {
        let mut head = [0; 9];
        if wire.read_exact(&mut head).await.is_err() {
            return Outcome::Broken;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if wire.read_exact(&mut payload).await.is_err() {
            return Outcome::Broken;
        }
        match (head[3], head[4]) {
            // `:status: 200` is entry 8 of the static table (RFC 7541, appendix A).
            (HEADERS, _) if payload.first() == Some(&0x88) => return Outcome::Ok,
            (HEADERS, _) => return Outcome::Refused,
            (RST_STREAM | GOAWAY, _) => return Outcome::Broken,
            (SETTINGS, flags) if flags & ACK == 0 => {
                let mut ack = Vec::new();
                frame(&mut ack, SETTINGS, ACK, 0, &[]);
                let _ = wire.write_all(&ack).await;
            }
            (PING, flags) if flags & ACK == 0 => {
                let mut pong = Vec::new();
                frame(&mut pong, PING, ACK, 0, &payload);
                let _ = wire.write_all(&pong).await;
            }
            _ => {}
        }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Literal fields, never indexed, without Huffman's code (RFC 7541, section 6.2.3).
fn encode(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte says the length");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text);
        }
    }
    block
}
