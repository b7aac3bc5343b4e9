//! Which addresses are the public internet, which are somebody's own network, and which nobody has
//! any business with. After the IANA special-purpose address registries (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a connection may reach an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// The public internet.
    Public,
    /// A private network or this machine: only where the connection says so.
    Private,
    /// Link-local, metadata services, multicast, documentation, reserved: never.
    Forbidden,
}

/// The class of an address. An address that embeds an IPv4 address has that one's class.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    use AddressClass::{Forbidden, Private, Public};
    match address.octets() {
        // Metadata services outside link-local: Alibaba Cloud, Oracle Cloud (below), Azure's host.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Forbidden,
        [10 | 127, ..] | [192, 168, ..] => Private,
        [172, second, ..] if (16..32).contains(&second) => Private,
        // Carrier-grade NAT (RFC 6598), used by some private networks.
        [100, second, ..] if (64..128).contains(&second) => Private,
        // Benchmarking (RFC 2544), used by some private networks.
        [198, 18 | 19, ..] => Private,
        [0, ..] | [169, 254, ..] => Forbidden,
        // Protocol assignments, documentation, the 6to4 relay.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => Forbidden,
        // Multicast, reserved, broadcast.
        [first, ..] if first >= 224 => Forbidden,
        _ => Public,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    use AddressClass::{Forbidden, Private, Public};
    if let Some(mapped) = address.to_ipv4_mapped() {
        return classify_v4(mapped);
    }
    if address.is_loopback() {
        return Private;
    }
    match address.segments() {
        // Metadata services of AWS and Google within the private range.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Forbidden,
        [first, ..] if first & 0xfe00 == 0xfc00 => Private,
        // NAT64 (RFC 6052): how a network without IPv4 reaches it.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            classify_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo, documentation, 6to4.
        [0x2001, second, ..] if second < 0x0200 || second == 0x0db8 => Forbidden,
        [0x2002, ..] => Forbidden,
        [0x3fff, second, ..] if second < 0x1000 => Forbidden,
        // Global unicast is all that IANA hands out; the rest is special.
        [first, ..] if first & 0xe000 == 0x2000 => Public,
        _ => Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass::{Forbidden, Private, Public};
    use super::*;
    use proptest::prelude::*;

    fn class(text: &str) -> AddressClass {
        classify(text.parse().unwrap())
    }

    #[test]
    fn the_public_internet_is_reached() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "52.94.236.248",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(class(public), Public, "{public}");
        }
    }

    #[test]
    fn private_networks_and_this_machine_are_private() {
        for private in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
        ] {
            assert_eq!(class(private), Private, "{private}");
        }
    }

    #[test]
    fn special_addresses_are_never_reached() {
        for forbidden in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "5f00::1",
            "64:ff9b:1::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "4000::1",
        ] {
            assert_eq!(class(forbidden), Forbidden, "{forbidden}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_its_ipv4_address(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(classify(IpAddr::V4(address)), classify(IpAddr::V6(address.to_ipv6_mapped())));
        }

        #[test]
        fn nothing_that_the_standard_library_calls_special_is_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!(special && classify(IpAddr::V4(address)) == Public));
        }
    }
}
