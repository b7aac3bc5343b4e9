//! Resolves names, and drops the addresses that a connection may not reach: what is left is what
//! the client connects to, so that an answer that changes between check and use changes nothing.

use super::address::{AddressClass, classify};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// A name has addresses, and none that may be reached.
#[derive(Debug, thiserror::Error)]
#[error("none of the name's addresses may be reached")]
pub(super) struct AddressRefused;

/// Looks a name up: the addresses that it has at the moment.
type Lookup =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

pub(super) struct GuardedResolver {
    private_addresses: bool,
    lookup: Lookup,
}

impl GuardedResolver {
    /// A resolver that asks the operating system.
    pub(super) fn new(private_addresses: bool) -> Self {
        let lookup: Lookup =
            Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }));
        Self { private_addresses, lookup }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (private_addresses, addresses) = (self.private_addresses, (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let addresses = addresses.await?;
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    /// What a hostile name server does: it answers with what passes the check, and then with what it is after.
    #[tokio::test]
    async fn a_name_whose_addresses_change_leads_where_they_were_checked() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut buffer, answer) = ([0; 1024], b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n");
                if stream.read(&mut buffer).await.is_ok() {
                    let _ = stream.write_all(answer).await;
                }
            }
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let lookup: Lookup = Arc::new(move |_| {
            let answer = match counter.fetch_add(1, Ordering::SeqCst) {
                0 => addresses(&["127.0.0.1"]),
                _ => addresses(&["169.254.169.254"]),
            };
            Box::pin(async move { Ok(answer) })
        });
        let resolver = GuardedResolver { private_addresses: true, lookup };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(super::super::tls(None).unwrap())
            .dns_resolver(Arc::new(resolver))
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("http://changing.example:{port}/");
        assert_eq!(client.get(&url).send().await.unwrap().status(), 204);
        assert_eq!(asked.load(Ordering::SeqCst), 1, "between check and use nobody asks again");
        let error = client.get(&url).send().await.unwrap_err();
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        assert!(causes.into_iter().any(|cause| cause.is::<AddressRefused>()), "{error:?}");
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused() {
        let resolver = GuardedResolver::new(false);
        let Err(error) = resolver.resolve("localhost".parse().unwrap()).await else { panic!("resolved") };
        assert!(error.is::<AddressRefused>());
        let resolver = GuardedResolver::new(true);
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
