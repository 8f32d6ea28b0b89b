//! Where a server is, and whether it may be spoken to.

use reqwest::Url;

use crate::error::{Error, ErrorClass, Result};

/// Longest URL of a server that is read.
const MAX_URL_BYTES: usize = 2048;

/// A server's URL without anything that could surprise: HTTPS, or cleartext to this machine when that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    base: Url,
}

impl Address {
    /// Reads a URL. A slash at its end makes no difference (AVP-HTTP-022), and a path in it stays in front of those of the
    /// binding.
    ///
    /// # Errors
    /// `configuration` for anything but `https://`, and `http://` to 127.0.0.0/8, ::1 or `localhost` under
    /// `insecure_loopback` (AVP-SEC-001); for user names, passwords, queries and fragments. What stands in the URL is not
    /// repeated in the error: it may be a secret that was put in the wrong place.
    pub(super) fn parse(text: &str, insecure_loopback: bool) -> Result<Self> {
        if text.len() > MAX_URL_BYTES {
            return Err(refused(format!("at most {MAX_URL_BYTES} bytes"), format!("{} bytes", text.len())));
        }
        let mut base = Url::parse(text)
            .map_err(|error| refused("a URL such as https://agent.example", error.to_string()))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused(
                "a URL without user name and password; tokens have their own place",
                "one with",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused("a URL that ends with its path", "one with a query or a fragment"));
        }
        match base.scheme() {
            "https" => {}
            "http" if !insecure_loopback => {
                return Err(refused("an https:// URL (AVP-SEC-001)", "http://"));
            }
            "http" if !is_loopback(&base) => {
                let expected =
                    "https://, as cleartext goes to this machine alone: localhost, 127.0.0.0/8 or ::1";
                return Err(refused(expected, "http:// to another host"));
            }
            "http" => {}
            _ => return Err(refused("an https:// URL", "another scheme")),
        }
        if base.host_str().is_none_or(str::is_empty) || base.port() == Some(0) {
            return Err(refused("a URL with a host and a port that can be reached", "one without"));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base })
    }

    /// The URL of a path of the binding.
    pub(super) fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Whether what is sent there is not encrypted.
    pub(super) fn is_cleartext(&self) -> bool {
        self.base.scheme() == "http"
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

/// The name `localhost` counts; what it stands for is pinned by the client, not looked up.
fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    if host == "localhost" {
        return true;
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn refused(expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::new(ErrorClass::Configuration, "url", expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_whatever_the_url_ends_with() {
        for (url, health) in [
            ("https://a.example", "https://a.example/health"),
            ("https://a.example/", "https://a.example/health"),
            ("https://a.example///", "https://a.example/health"),
            ("https://a.example:8443/agents/b/", "https://a.example:8443/agents/b/health"),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x/health"),
        ] {
            assert_eq!(Address::parse(url, false).unwrap().join("/health").as_str(), health);
        }
    }

    #[test]
    fn cleartext_is_for_this_machine_and_on_request() {
        for url in [
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
            "http://localhost/",
            "HTTP://LocalHost",
        ] {
            assert!(Address::parse(url, true).unwrap().is_cleartext(), "{url}");
            assert_eq!(Address::parse(url, false).unwrap_err().class, ErrorClass::Configuration, "{url}");
        }
        for url in [
            "http://example.test",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::]",
            "http://[::2]",
            "http://localhost.example",
            "http://localhost.",
            "http://a.localhost",
            "http://127.0.0.1.example",
            "http://127.0.0.1@example.test",
            "ftp://127.0.0.1",
            "ws://127.0.0.1",
            "file:///etc/hosts",
            "unix:///run/avp",
        ] {
            assert_eq!(Address::parse(url, true).unwrap_err().class, ErrorClass::Configuration, "{url}");
        }
    }

    #[test]
    fn secrets_in_a_url_are_refused_and_not_repeated() {
        for url in [
            "https://s3cret@a.example",
            "https://me:s3cret@a.example",
            "https://:s3cret@a.example",
            "https://a.example/?token=s3cret",
            "https://a.example/#s3cret",
            "http://s3cret.example",
            "s3cret",
            "s3cret://x",
            "https://a.example:s3cret",
        ] {
            let error = Address::parse(url, true).unwrap_err();
            assert_eq!((error.class, error.field), (ErrorClass::Configuration, "url"), "{url}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        assert_eq!(Address::parse(&format!("https://{}", "a".repeat(4000)), false).unwrap_err().field, "url");
    }

    proptest::proptest! {
        /// Whatever is let through is encrypted, or stays on this machine.
        #[test]
        fn nothing_leaves_in_the_clear(
            scheme in "https?|HTTP|ftp|h",
            user in "(|[a-z]{1,3}@|[a-z]:[a-z]@)",
            host in "(127\\.[0-9]{1,3}\\.[0-9]\\.[0-9]|localhost|\\[::[0-9a-f]{0,4}\\]|[a-z0-9.@:%\\\\]{0,12}|0x7f\\.1|2130706433|[0-9]{1,10})",
            rest in "(:[0-9]{0,5})?(/[a-z/.?#]{0,5})?",
        ) {
            let text = format!("{scheme}://{user}{host}{rest}");
            if let Ok(address) = Address::parse(&text, true) {
                let url = address.join("/health");
                proptest::prop_assert!(url.path().ends_with("/health"));
                proptest::prop_assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none());
                if url.scheme() != "https" {
                    let host = url.host_str().unwrap_or_default();
                    proptest::prop_assert!(
                        host.starts_with("127.") || host == "localhost" || host == "[::1]",
                        "{text} goes to {host}"
                    );
                    // No name that only looks like an address.
                    proptest::prop_assert!(host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok());
                }
            }
        }

        #[test]
        fn never_panics(text: String) {
            let _ = Address::parse(&text, true).map(|address| address.join("/health"));
        }
    }
}
