//! Networks of clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::feed::wire;

/// A network, such as `10.0.0.0/8` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the client is in it. An IPv4 address within an IPv6 one is the IPv4 address.
    #[must_use]
    pub fn contains(&self, client: IpAddr) -> bool {
        match (self.address, client.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(client)) => self.agree(network.to_bits() ^ client.to_bits()),
            (IpAddr::V6(network), IpAddr::V6(client)) => {
                let different = network.to_bits() ^ client.to_bits();
                self.bits == 0 || different.checked_shr(128 - u32::from(self.bits)) == Some(0)
            }
            _ => false,
        }
    }

    fn agree(&self, different: u32) -> bool {
        self.bits == 0 || different.checked_shr(32 - u32::from(self.bits)) == Some(0)
    }

    /// `None` when there are more bits than the address has, or any of the address beyond them.
    fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let beyond = match address {
            IpAddr::V4(v4) => v4.to_bits().checked_shl(bits.into()).filter(|_| bits < 32).map(u128::from),
            IpAddr::V6(v6) => v6.to_bits().checked_shl(bits.into()).filter(|_| bits < 128),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most && beyond.unwrap_or(0) == 0).then_some(Self { address, bits })
    }

    pub(super) fn to_wire(self) -> wire::Network {
        let address = match self.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        wire::Network { address, bits: self.bits.into() }
    }

    pub(super) fn from_wire(wire: &wire::Network) -> Option<Self> {
        let address = match wire.address.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(wire.address.as_slice()).ok()?),
            16 => IpAddr::from(<[u8; 16]>::try_from(wire.address.as_slice()).ok()?),
            _ => return None,
        };
        Self::new(address, u8::try_from(wire.bits).ok()?)
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
