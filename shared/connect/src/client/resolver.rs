//! Resolves names, and drops the addresses that a connection may not reach: what is left is what
//! the client connects to, so that an answer that changes between check and use changes nothing.

use super::address::{AddressClass, classify};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;

/// A name has addresses, and none that may be reached.
#[derive(Debug, thiserror::Error)]
#[error("none of the name's addresses may be reached")]
pub(super) struct AddressRefused;

pub(super) struct GuardedResolver {
    pub(super) private_addresses: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private_addresses = self.private_addresses;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(allowed(addresses, private_addresses)?.into_iter()) as Addrs)
        })
    }
}

fn allowed(mut addresses: Vec<SocketAddr>, private_addresses: bool) -> Result<Vec<SocketAddr>, AddressRefused> {
    addresses.retain(|address| may_reach(classify(address.ip()), private_addresses));
    if addresses.is_empty() { Err(AddressRefused) } else { Ok(addresses) }
}

pub(super) fn may_reach(class: AddressClass, private_addresses: bool) -> bool {
    match class {
        AddressClass::Public => true,
        AddressClass::Private => private_addresses,
        AddressClass::Forbidden => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn a_name_with_mixed_addresses_leads_to_the_public_ones_only() {
        let mixed = addresses(&["169.254.169.254", "8.8.8.8", "10.0.0.1", "::1"]);
        assert_eq!(allowed(mixed.clone(), false).unwrap(), addresses(&["8.8.8.8"]));
        assert_eq!(allowed(mixed, true).unwrap(), addresses(&["8.8.8.8", "10.0.0.1", "::1"]));
        assert!(allowed(addresses(&["127.0.0.1", "::1"]), false).is_err());
        assert!(allowed(addresses(&["169.254.169.254"]), true).is_err());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let resolver = GuardedResolver { private_addresses: false };
        let Err(error) = resolver.resolve("localhost".parse().unwrap()).await else { panic!("resolved") };
        assert!(error.is::<AddressRefused>());
        let resolver = GuardedResolver { private_addresses: true };
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
