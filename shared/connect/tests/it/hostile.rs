//! Addresses that somebody writes into a connection to reach what is not theirs.

use crate::server::{Reply, Server, client};
use fluxnex_connect::client::{HttpRequest, RequestError};
use fluxnex_connect::connection::Reach;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use std::time::Duration;

/// All that a tenant may ask for: plain HTTP, but no private address.
const PUBLIC: Reach = Reach { private_addresses: false, plain_http: true };

/// Each leads, or seems to lead, to this machine, a private network or a metadata service.
const HOSTILE: [&str; 72] = [
    // This machine, in every way that IPv4 addresses can be written.
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://00000177.0.0.1/",
    "http://127.0.0.1./",
    "http://127.255.255.254:80/",
    "http://0/",
    "http://0.0.0.0/",
    "http://0x0/",
    "http://000000/",
    // Metadata services.
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://025177524776/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://169.254.170.2/v2/credentials/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata/",
    "http://192.0.0.192/opc/v2/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fd20:ce::254]/",
    // Private networks.
    "http://10.0.0.1/",
    "http://0xa000001/",
    "http://167772161/",
    "http://012.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://3232235521/",
    "http://192.168.257/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    // IPv6, and IPv4 within it.
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:0001]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    // Characters that become others.
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2e/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    // Names of this machine.
    "http://localhost/",
    "http://LOCALHOST/",
    // Another host before the real one, and schemes that are no HTTP.
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
];

fn get(url: Url) -> HttpRequest {
    let (headers, timeout) = (HeaderMap::new(), Duration::from_secs(5));
    HttpRequest { method: Method::GET, url, headers, body: None, timeout, response_max_bytes: 1000 }
}

#[tokio::test]
async fn none_is_connected_to() {
    let client = client();
    for hostile in HOSTILE {
        // What is no URL at all is refused where the connection is written.
        let Ok(url) = Url::parse(hostile) else { continue };
        let error = client.execute(PUBLIC, get(url)).await.err();
        assert!(matches!(error, Some(RequestError::Refused(_))), "{hostile}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_one_of_them_leads_nowhere() {
    let server = Server::start().await;
    let local = Reach { private_addresses: true, plain_http: true };
    for hostile in HOSTILE.into_iter().filter(|hostile| hostile.is_ascii()) {
        server.reply(Reply::with_header(302, "location", hostile));
        let answer = client().execute(local, get(Url::parse(&server.url).unwrap())).await.unwrap();
        assert_eq!(answer.status, 302, "{hostile}: the answer is given as it is");
    }
    assert_eq!(server.requests().len(), HOSTILE.iter().filter(|hostile| hostile.is_ascii()).count());
}
