//! Networks of clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network, such as `10.0.0.0/8` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `None` when there are more bits than the address has, or any of the address beyond them.
    fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let beyond = match address {
            IpAddr::V4(v4) => v4.to_bits().checked_shl(bits.into()).filter(|_| bits < 32).map(u128::from),
            IpAddr::V6(v6) => v6.to_bits().checked_shl(bits.into()).filter(|_| bits < 128),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most && beyond.unwrap_or(0) == 0).then_some(Self { address, bits })
    }

    /// The address, and a byte with the number of bits.
    pub(super) fn to_wire(self) -> Vec<u8> {
        let mut wire = octets(self.address);
        wire.push(self.bits);
        wire
    }
}

/// Whether the client is in the network as it travels. An IPv4 address within an IPv6 one is the IPv4 address.
pub(super) fn contains(network: &[u8], client: IpAddr) -> bool {
    let (Some((bits, network)), client) = (network.split_last(), octets(client.to_canonical())) else { return false };
    let (whole, rest) = (usize::from(*bits) / 8, *bits % 8);
    let part = |address: &[u8]| address.get(whole).map_or(0, |byte| byte >> (8 - rest));
    network.len() == client.len() && network.get(..whole) == client.get(..whole) && (rest == 0 || part(network) == part(&client))
}

/// Whether what travels is a network.
pub(super) fn is_sound(network: &[u8]) -> bool {
    matches!(network, [address @ .., bits] if matches!(address.len(), 4 | 16) && usize::from(*bits) <= 8 * address.len())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl FromStr for Network {
    type Err = &'static str;

    /// Reads CIDR, or one address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr =
            address.parse().map_err(|_| "is not an IPv4 or IPv6 network, such as 10.0.0.0/8 or 2001:db8::/32")?;
        if address != address.to_canonical() {
            return Err("is an IPv4 address within an IPv6 one; write the IPv4 network");
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok().filter(|bits| *bits <= most),
            Some(_) => None,
            None => Some(most),
        };
        let bits = bits.ok_or("has a length of network that its address cannot have")?;
        Self::new(address, bits).ok_or("has bits of an address beyond the length of its network")
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}
