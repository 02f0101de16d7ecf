//! Which addresses may be asked: public ones, judged after a name is resolved.

use super::FetchSettings;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub(super) const NOT_PUBLIC: &str = "which is not public";

/// Resolves names, and leaves out every address that is not public.
pub(super) struct PublicOnly(pub(super) Arc<FetchSettings>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let ours = self.0.ours.get(&host).copied();
        Box::pin(async move {
            if let Some(address) = ours {
                return Ok(Box::new(std::iter::once(address)) as Addrs);
            }
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let open: Vec<SocketAddr> = found
                .iter()
                .copied()
                .filter(|address| public(address.ip()))
                .collect();
            match (open.is_empty(), found.first()) {
                (true, Some(first)) => {
                    Err(format!("{host} leads to {}, {NOT_PUBLIC}", first.ip()).into())
                }
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address is one anybody may reach (IANA special-purpose registries, RFC 6890).
pub(super) fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => public_v4(v4),
            None => public_v6(v6),
        },
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        // Shared by carriers (RFC 6598), protocol assignments, benchmarks (RFC 2544), 6to4 relays, reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240)
}

fn public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only global unicast (2000::/3), less documentation, Teredo, 6to4 and benchmarks; the rest (unique local,
    // link local, multicast, NAT64, loopback) is not for us.
    (0x2000..0x4000).contains(&first)
        && !(first == 0x2001 && (second == 0 || second == 2 || second == 0xdb8))
        && first != 0x2002
        && first != 0x3fff
}
