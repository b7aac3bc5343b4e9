//! The address of this machine that an application sends a person back to (RFC 8252, section 7.3).

use anyhow::{Context, Result, bail};
use reqwest::Url;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The path that the answer comes to.
const PATH: &str = "/callback";
/// A longer request is no answer, in bytes.
const LARGEST_REQUEST: u64 = 32 * 1024;
const PAGE: &str = "<!doctype html><meta charset=utf-8><title>FluxNex</title><p>Thank you. You can close this window.";

/// A listener on 127.0.0.1.
pub struct Loopback {
    listener: TcpListener,
    port: u16,
}

/// The answer: the parameters of the address that the person was sent back to. No Debug: it has the code.
pub struct Callback(Vec<(String, String)>);

impl Callback {
    /// The parameters of an address.
    pub fn of(address: &str) -> Result<Self> {
        let url = Url::parse(address.trim()).context("this is no address: paste it whole, with http://")?;
        Ok(Self(url.query_pairs().into_owned().collect()))
    }

    /// A parameter that is there once; one that is there twice is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (found.next(), found.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// What the vendor adds, fit to be shown.
    pub fn others(&self) -> impl Iterator<Item = (String, String)> {
        let own = ["code", "state", "error", "error_description", "iss", "session_state", "scope"];
        let clean = |text: &str| text.chars().filter(|character| !character.is_control()).take(100).collect();
        let others = self.0.iter().filter(move |(name, _)| !own.contains(&name.as_str()));
        others.map(move |(name, value)| (clean(name), clean(value)))
    }
}

impl Loopback {
    /// Listens; port 0 means any that is free.
    pub async fn listen(port: u16) -> Result<Self> {
        // The address and not the name `localhost`, which may lead elsewhere.
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.with_context(|| format!("cannot listen on port {port} of 127.0.0.1"))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The address for the application.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the answer. Whatever else knocks is told that there is nothing.
    pub async fn answer(&self) -> Result<Callback> {
        loop {
            let (stream, _) = self.listener.accept().await.context("cannot take the browser's request")?;
            if let Ok(Some(callback)) = self.read(stream).await {
                return Ok(callback);
            }
        }
    }

    async fn read(&self, stream: TcpStream) -> Result<Option<Callback>> {
        let mut reader = BufReader::new(stream).take(LARGEST_REQUEST);
        let mut line = String::new();
        // A browser opens connections in reserve: one that says nothing must not keep the answer waiting.
        let patience = std::time::Duration::from_secs(2);
        tokio::time::timeout(patience, reader.read_line(&mut line)).await.context("nothing was said")??;
        let mut stream = reader.into_inner().into_inner();
        let target = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let is_answer = target.split('?').next() == Some(PATH) && target.contains('?');
        if !is_answer {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
            return Ok(None);
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n",
            PAGE.len()
        );
        stream.write_all(format!("{head}{PAGE}").as_bytes()).await?;
        let _ = stream.shutdown().await;
        Callback::of(&format!("http://127.0.0.1{target}")).map(Some)
    }
}

/// A line that a person pastes: the address, whole.
pub async fn pasted() -> Result<Callback> {
    // A thread of its own: reading a terminal cannot be given up.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = sender.send(read.map(|_| line));
    });
    let line = receiver.await.context("nothing was pasted")?.context("cannot read what was pasted")?;
    if line.trim().is_empty() {
        bail!("nothing was pasted");
    }
    Callback::of(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(uri: &str, path: &str) -> String {
        let host = uri.strip_prefix("http://").unwrap().split('/').next().unwrap();
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        // The other side may close before it has read all that was sent.
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn the_answer_is_found_among_what_else_knocks() {
        let loopback = Loopback::listen(0).await.unwrap();
        let uri = loopback.uri();
        let browser = async {
            get(&uri, "/favicon.ico").await;
            get(&uri, "/callback").await;
            get(&uri, "garbage").await;
            get(&uri, "/callback?code=c&state=s&realmId=42").await
        };
        let (callback, page) = tokio::join!(loopback.answer(), browser);
        let callback = callback.unwrap();
        assert_eq!((callback.get("code"), callback.get("state")), (Some("c"), Some("s")));
        assert_eq!(callback.others().collect::<Vec<_>>(), [("realmId".to_owned(), "42".to_owned())]);
        assert!(page.is_empty() || page.starts_with("HTTP/1.1 200"), "{page}");
    }

    #[test]
    fn what_is_pasted_must_be_an_address() {
        for garbage in ["", "code=c", "/callback?code=c", "http://"] {
            assert!(Callback::of(garbage).is_err(), "{garbage}");
        }
        assert_eq!(Callback::of(" http://127.0.0.1:5/callback?code=c \n").unwrap().get("code"), Some("c"));
    }
}
