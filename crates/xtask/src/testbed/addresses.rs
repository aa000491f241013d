//! Which addresses a testbed uses.
//!
//! Holds arithmetic only and touches nothing; `record` asks the machine what is taken, `network` puts addresses on links.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::place::{Place, Site};

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: Ipv4Addr,
    prefix: u8,
}

impl Network {
    /// A network from any address in it; `None` if the prefix is longer than an address.
    pub(crate) fn new(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        (prefix <= 32).then(|| Self {
            address: Ipv4Addr::from(u32::from(address) & mask(prefix)),
            prefix,
        })
    }

    /// Read `10.0.0.0/8` or a bare address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((address, prefix)) => Self::new(address.parse().ok()?, prefix.parse().ok()?),
            None => Self::new(text.parse().ok()?, 32),
        }
    }

    /// Whether some address is in both networks.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let shorter = mask(self.prefix.min(other.prefix));
        u32::from(self.address) & shorter == u32::from(other.address) & shorter
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// The networks that the output of `ip -o -4 route show table all` and `ip -o -4 addr` name.
///
/// A default route is everybody's way out and takes no address from us.
pub(crate) fn networks_in_use(output: &str) -> Vec<Network> {
    output
        .split_whitespace()
        .filter(|word| word.contains('.'))
        .filter_map(Network::parse)
        .filter(|network| network.prefix > 0)
        .collect()
}

/// Every address of one testbed, from the one number that was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AddressPlan {
    subnet: u8,
}

impl AddressPlan {
    /// The first plan whose network meets none of those in use.
    pub(crate) fn first_free(in_use: &[Network], recorded: &[AddressPlan]) -> Option<Self> {
        (0..=u8::MAX)
            .map(|subnet| Self { subnet })
            .filter(|plan| !recorded.contains(plan))
            .find(|plan| {
                !in_use
                    .iter()
                    .any(|network| network.overlaps(plan.network()))
            })
    }

    /// The /24 that host, sites and S3 share.
    pub(crate) fn network(self) -> Network {
        Network {
            address: Ipv4Addr::new(10, 77, self.subnet, 0),
            prefix: 24,
        }
    }

    /// The host's end.
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, 1)
    }

    /// The address of a place.
    pub(crate) fn of(self, place: Place) -> Ipv4Addr {
        let last = match place {
            Place::Site(Site::Primary) => 11,
            Place::Site(Site::Recovery) => 12,
            Place::S3 => 21,
        };
        Ipv4Addr::new(10, 77, self.subnet, last)
    }

    /// Where the API server of a site listens.
    pub(crate) fn api_server(self, site: Site) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.of(Place::Site(site))), 6443)
    }

    /// Where the S3 server listens.
    pub(crate) fn object_store(self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.of(Place::S3)), 9000)
    }
}

/// The ranges that only exist inside a site's network namespace.
///
/// They differ between the sites so that an address in a log or in a restored object tells where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InnerRanges {
    pods: u8,
    services: u8,
}

impl InnerRanges {
    /// The ranges of a site.
    pub(crate) fn of(site: Site) -> Self {
        match site {
            Site::Primary => Self {
                pods: 81,
                services: 82,
            },
            Site::Recovery => Self {
                pods: 83,
                services: 84,
            },
        }
    }

    /// The pods' range, for CNI and kube-proxy.
    pub(crate) fn pods(self) -> String {
        format!("10.{}.0.0/16", self.pods)
    }

    /// The services' range, for the API server.
    pub(crate) fn services(self) -> String {
        format!("10.{}.0.0/16", self.services)
    }

    /// The first service address: the API server itself.
    pub(crate) fn api_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.services, 0, 1)
    }

    /// The service address of the cluster's DNS.
    pub(crate) fn dns_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.services, 0, 10)
    }
}
