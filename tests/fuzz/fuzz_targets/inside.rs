//! What a sandbox sends its supervisor: no panic, whatever the bytes and however they are cut, and a message that was
//! read is written and read again as itself.
#![no_main]

use exeat_inside::control::{Listeners, Piece, Processes};
use exeat_inside::framing::{Unframe, frame};
use exeat_inside::process::{ExecuteResponse, StartResponse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    read::<StartResponse>(size, bytes);
    read::<ExecuteResponse>(size, bytes);
    read::<Processes>(size, bytes);
    read::<Listeners>(size, bytes);
    read::<Piece>(size, bytes);
});

fn read<M: prost::Message + Default + PartialEq>(size: u8, bytes: &[u8]) {
    let mut unframe = Unframe::default();
    for piece in bytes.chunks(usize::from(size).max(1)) {
        unframe.push(piece);
        while let Ok(Some(message)) = unframe.take::<M>() {
            let mut again = Unframe::default();
            again.push(&frame(&message));
            assert_eq!(again.take::<M>(), Ok(Some(message)));
        }
    }
    let _ = unframe.finish();
}
