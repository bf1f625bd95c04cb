//! Networks of trusted proxies: addresses and CIDR blocks. Knows texts and addresses alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bits in front of an IPv4 address inside IPv6 (`::ffff:10.0.0.1`).
const MAPPED_BITS: u8 = 96;

/// A CIDR block of addresses, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    /// The leading bits that all its addresses share.
    bits: u8,
}

impl Network {
    /// Parses an address, or an address with `/` and a number of bits, after which it has no set
    /// bit. An IPv4 address inside IPv6 counts as IPv4. `None` if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let is_number = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            Some(bits) => Some(bits).filter(is_number)?.parse().ok()?,
            None => width(address),
        };
        let canonical = address.to_canonical();
        let is_mapped = address.is_ipv6() && canonical.is_ipv4();
        let bits: u8 = if is_mapped { bits.checked_sub(MAPPED_BITS)? } else { bits };
        let network = Self { address: canonical, bits };
        let is_whole = bits <= width(canonical) && network.start(canonical) == canonical;
        is_whole.then_some(network)
    }

    /// Whether an address is in this network; an IPv4 address inside IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.start(address) == self.address
    }

    /// Returns an address without the bits that differ inside a network of this size.
    fn start(&self, address: IpAddr) -> IpAddr {
        let rest = u32::from(width(address) - self.bits);
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        }
    }
}

/// Returns the bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_alone() {
        for (network, inside, outside) in [
            ("10.0.0.1", &["10.0.0.1", "::ffff:10.0.0.1"][..], &["10.0.0.2", "::1"][..]),
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["11.0.0.0", "9.255.255.255"]),
            ("10.0.0.4/30", &["10.0.0.4", "10.0.0.7"], &["10.0.0.3", "10.0.0.8"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.0", "::a00:0"]),
            ("0.0.0.0/0", &["1.2.3.4"], &["::1", "fd00::1"]),
            ("::/0", &["::1", "fd00::1"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("fd00::/8", &["fd00::1", "fdff::"], &["fe00::", "::1"]),
            ("::1/128", &["::1"], &["::2", "127.0.0.1"]),
        ] {
            let parsed = Network::parse(network).unwrap();
            let contains = |address: &str| parsed.contains(address.parse().unwrap());
            assert!(inside.iter().all(|address| contains(address)), "{network}");
            assert!(!outside.iter().any(|address| contains(address)), "{network}");
        }
    }

    #[test]
    fn other_texts_are_no_networks() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/256",
            "10.0.0.1/8",
            "10.0.0",
            "10.0.0.0/8/8",
            "fd00::1/8",
            "fd00::/129",
            "::ffff:0:0/95",
            "[::1]",
            "::1%eth0",
            "localhost",
            " 10.0.0.1",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
