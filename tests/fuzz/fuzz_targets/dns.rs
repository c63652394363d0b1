//! A DNS query from inside a sandbox: no panic, whatever the packet.
#![no_main]

#[path = "../../../runtime/sandboxd/src/dns.rs"]
#[expect(dead_code, reason = "the program uses what this target does not")]
mod dns;
#[path = "../../../runtime/sandboxd/src/limits.rs"]
#[expect(dead_code, reason = "the program uses what this target does not")]
mod limits;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let _ = dns::answer(packet, |_| std::net::Ipv4Addr::LOCALHOST);
});
