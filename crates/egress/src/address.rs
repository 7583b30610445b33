//! Which addresses may be reached: those of the public internet, and no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LOOPBACK: &str = "loopback";
const PRIVATE: &str = "private";
const LINK_LOCAL: &str = "link-local";
const METADATA: &str = "a metadata address";
const UNSPECIFIED: &str = "unspecified";
const SHARED: &str = "shared (carrier-grade NAT)";
const MULTICAST: &str = "multicast";
const DOCUMENTATION: &str = "for documentation";
const RESERVED: &str = "reserved";

/// Where clouds serve machine credentials and settings.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same over IPv6.
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Why an address must not be reached; `None` when it may be.
pub(crate) fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    if METADATA_V4.contains(&address) {
        return Some(METADATA);
    }
    match address.octets() {
        [0, ..] => Some(UNSPECIFIED),
        [127, ..] => Some(LOOPBACK),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(PRIVATE),
        [169, 254, ..] => Some(LINK_LOCAL),
        [100, 64..=127, ..] => Some(SHARED),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(DOCUMENTATION),
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => Some(RESERVED),
        [224..=239, ..] => Some(MULTICAST),
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if METADATA_V6.contains(&address) {
        return Some(METADATA);
    }
    let segments = address.segments();
    if let Some(embedded) = embedded_v4(segments) {
        return forbidden_v4(embedded).or_else(|| reserved_v6(segments));
    }
    if address.is_unspecified() {
        return Some(UNSPECIFIED);
    }
    if address.is_loopback() {
        return Some(LOOPBACK);
    }
    reserved_v6(segments)
}

/// What is not public unicast, by prefix.
fn reserved_v6(segments: [u16; 8]) -> Option<&'static str> {
    match segments {
        [0x64, 0xff9b, 1, ..] | [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(PRIVATE),
        [0xfe80..=0xfebf, ..] => Some(LINK_LOCAL),
        [0xff00..=0xffff, ..] => Some(MULTICAST),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(DOCUMENTATION),
        [0x2001, 0..=0x1ff, ..] => Some(RESERVED),
        // Mapped IPv4 and the well-known NAT64 prefix lead to the embedded address, which was looked at.
        [0x2000..=0x3fff, ..] | [0, 0, 0, 0, 0, 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => None,
        _ => Some(RESERVED),
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, NAT64, 6to4, ISATAP.
fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let joined = |high: u16, low: u16| Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => joined(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> Option<&'static str> {
        forbidden(text.parse().unwrap())
    }

    #[test]
    fn every_family_is_refused_at_its_edges() {
        let cases = [
            ("0.0.0.0", UNSPECIFIED),
            ("0.255.255.255", UNSPECIFIED),
            ("127.0.0.1", LOOPBACK),
            ("127.255.255.255", LOOPBACK),
            ("10.0.0.0", PRIVATE),
            ("10.255.255.255", PRIVATE),
            ("172.16.0.0", PRIVATE),
            ("172.31.255.255", PRIVATE),
            ("192.168.0.0", PRIVATE),
            ("192.168.255.255", PRIVATE),
            ("169.254.0.0", LINK_LOCAL),
            ("169.254.255.255", LINK_LOCAL),
            ("169.254.169.254", METADATA),
            ("169.254.170.2", METADATA),
            ("100.100.100.200", METADATA),
            ("168.63.129.16", METADATA),
            ("100.64.0.0", SHARED),
            ("100.127.255.255", SHARED),
            ("192.0.2.1", DOCUMENTATION),
            ("198.51.100.255", DOCUMENTATION),
            ("203.0.113.0", DOCUMENTATION),
            ("192.0.0.0", RESERVED),
            ("192.88.99.1", RESERVED),
            ("198.18.0.0", RESERVED),
            ("198.19.255.255", RESERVED),
            ("224.0.0.0", MULTICAST),
            ("239.255.255.255", MULTICAST),
            ("240.0.0.0", RESERVED),
            ("255.255.255.255", RESERVED),
            ("::", UNSPECIFIED),
            ("::1", LOOPBACK),
            ("::2", RESERVED),
            ("::7f00:1", RESERVED),
            ("fc00::", PRIVATE),
            ("fdff:ffff::1", PRIVATE),
            ("fd00:ec2::254", METADATA),
            ("fe80::1", LINK_LOCAL),
            ("febf::1", LINK_LOCAL),
            ("fec0::1", PRIVATE),
            ("ff00::", MULTICAST),
            ("ff02::1", MULTICAST),
            ("2001:db8::1", DOCUMENTATION),
            ("3fff:fff::1", DOCUMENTATION),
            ("2001::1", RESERVED),
            ("2001:10::1", RESERVED),
            ("100::1", RESERVED),
            ("4000::1", RESERVED),
            ("5f00::1", RESERVED),
            ("::ffff:127.0.0.1", LOOPBACK),
            ("::ffff:10.1.2.3", PRIVATE),
            ("::ffff:169.254.169.254", METADATA),
            ("64:ff9b::127.0.0.1", LOOPBACK),
            ("64:ff9b::10.0.0.1", PRIVATE),
            ("64:ff9b:1::8.8.8.8", PRIVATE),
            ("2002:7f00:1::", LOOPBACK),
            ("2002:a9fe:a9fe::1", METADATA),
            ("2002:c0a8:1::1", PRIVATE),
            ("2a00::5efe:10.0.0.1", PRIVATE),
            ("2a00::200:5efe:127.0.0.1", LOOPBACK),
            ("fe80::5efe:8.8.8.8", LINK_LOCAL),
            ("::ffff:0:127.0.0.1", RESERVED),
        ];
        for (address, wanted) in cases {
            assert_eq!(kind(address), Some(wanted), "{address}");
        }
    }

    #[test]
    fn neighbours_of_the_families_may_be_reached() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "3fff:1000::1",
            "2001:db7::1",
        ] {
            assert_eq!(kind(address), None, "{address}");
        }
    }

    proptest! {
        /// The standard library's own judgements are a floor: what it calls special must be refused.
        #[test]
        fn nothing_special_passes_over_v4(bits: u32, narrow in 0usize..8, embedding in 0usize..5) {
            let prefixes = [0x7f00_0000u32, 0x0a00_0000, 0xac10_0000, 0xc0a8_0000, 0xa9fe_0000, 0xe000_0000, 0xf000_0000, 0];
            let bits = if bits & 1 == 0 { prefixes[narrow] | (bits >> 12) } else { bits };
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_multicast()
                || v4.is_unspecified() || v4.is_broadcast() || v4.is_documentation();
            prop_assert!(!special || forbidden(IpAddr::V4(v4)).is_some(), "{}", v4);
            let high = (bits >> 16) as u16;
            let low = bits as u16;
            let v6 = match embedding {
                0 => v4.to_ipv6_mapped(),
                1 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                2 => Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5),
                3 => Ipv6Addr::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
                _ => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            };
            let refused = forbidden(IpAddr::V6(v6)).is_some();
            prop_assert_eq!(refused, forbidden(IpAddr::V4(v4)).is_some() || embedding == 4, "{}", v6);
        }

        #[test]
        fn nothing_special_passes_over_v6(segments: [u16; 8], first in prop::option::of(prop::sample::select(
            vec![0u16, 0xfc00, 0xfd12, 0xfe80, 0xfec0, 0xff02, 0x2001, 0x2002, 0x64],
        ))) {
            let mut segments = segments;
            if let Some(first) = first {
                segments[0] = first;
            }
            let v6 = Ipv6Addr::from(segments);
            let special = v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || v6.is_unique_local()
                || v6.is_unicast_link_local();
            let global_unicast = segments[0] >> 13 == 1;
            let refused = forbidden(IpAddr::V6(v6)).is_some();
            prop_assert!(refused || (!special && (global_unicast || v6.to_ipv4_mapped().is_some() || segments[0] == 0x64)), "{}", v6);
        }
    }
}
