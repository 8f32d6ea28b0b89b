//! The network: addresses, and the hub's data sets.

use std::time::Duration;

use hf_hub::HFClientSync;

use super::MAX_BYTES;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a file may take; the largest has 46 MB.
const WHOLE: Duration = Duration::from_secs(600);

type Result<T> = std::result::Result<T, String>;

/// What lies at an address, over TLS also where it leads on to another one.
pub(super) fn https(url: &str) -> Result<Vec<u8>> {
    get(url, true)
}

fn get(url: &str, tls_only: bool) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .https_only(tls_only)
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .user_agent(concat!("avp-bench/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(told)?;
        let response = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut response = response.map_err(told)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if (bytes.len() + chunk.len()) as u64 > MAX_BYTES {
                return Err(format!("more than {MAX_BYTES} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    })
}

/// A file of a data set on the hub, through the hub's own cache.
pub(super) fn hub(dataset: &str, revision: &str, file: &str) -> Result<Vec<u8>> {
    let (owner, name) =
        dataset.split_once('/').ok_or_else(|| format!("expected owner/name, found {dataset}"))?;
    let client = HFClientSync::new().map_err(|error| error.to_string())?;
    let folder = client
        .dataset(owner, name)
        .snapshot_download()
        .maybe_revision(Some(revision.to_owned()))
        .allow_patterns(vec![file.to_owned()])
        .send()
        .map_err(|error| error.to_string())?;
    super::read(&folder.join(file)).map_err(|error| error.to_string())
}

/// An error with what it comes from, which its own words leave out; without the address, which is said before it.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers each connection with one of these, in their order.
    fn serve(answers: Vec<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        address
    }

    #[test]
    fn an_address_gives_its_bytes_or_says_why_not() {
        let answer = |head: &str, body: &str| {
            format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
        };
        let url = serve(vec![
            answer("200 OK\r\nContent-Length: 5", "right"),
            answer("404 Not Found\r\nContent-Length: 0", ""),
            // Cut: fewer bytes than said.
            answer("200 OK\r\nContent-Length: 50", "right"),
        ]);
        assert_eq!(get(&url, false).unwrap(), b"right");
        assert!(get(&url, false).unwrap_err().contains("404"));
        assert!(get(&url, false).is_err());
        assert!(https(&url).is_err(), "without TLS");
        assert!(get("http://127.0.0.1:1/", false).unwrap_err().len() > 20);
    }
}
