//! Which addresses are on the public Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is globally reachable unicast (IANA special-purpose address registries). Addresses that embed another
/// one (IPv4-mapped, NAT64, 6to4, Teredo) are never public: what they lead to is decided elsewhere.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0                                        // "this network"
        || a == 10                                  // private
        || a == 127                                 // loopback
        || (a == 100 && (64..128).contains(&b))     // carrier-grade NAT, and Alibaba's metadata
        || (a == 169 && b == 254)                   // link-local, and most clouds' metadata
        || (a == 172 && (16..32).contains(&b))      // private
        || (a == 192 && b == 168)                   // private
        || (a == 192 && b == 0 && (c == 0 || c == 2)) // protocol assignments, documentation
        || (a == 192 && b == 88 && c == 99)         // 6to4 relays
        || (a == 192 && b == 31 && c == 196)        // AS112
        || (a == 192 && b == 52 && c == 193)        // AMT
        || (a == 192 && b == 175 && c == 48)        // AS112
        || (a == 198 && (b == 18 || b == 19))       // benchmarking
        || (a == 198 && b == 51 && c == 100)        // documentation
        || (a == 203 && b == 0 && c == 113)         // documentation
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    // Global unicast is 2000::/3; everything else is special, loopback, mapped, NAT64, ULA, link-local or multicast.
    (s[0] & 0xe000) == 0x2000
        && !(s[0] == 0x2001 && s[1] < 0x0200)       // protocol assignments: Teredo, benchmarking, ORCHID
        && !(s[0] == 0x2001 && s[1] == 0x0db8)      // documentation
        && s[0] != 0x2002                           // 6to4
        && !(s[0] == 0x2620 && s[1] == 0x004f && s[2] == 0x8000) // AS112
        && !(s[0] == 0x3fff && s[1] < 0x1000)       // documentation
        && s[0] != 0x5f00 // segment routing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_unicast_is_public() {
        for public in ["8.8.8.8", "140.82.121.4", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:808:808::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
    }
}
