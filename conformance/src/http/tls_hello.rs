//! The first flight of a TLS handshake, by hand: no library offers TLS 1.1 any more.

/// Versions as they stand in a hello.
const VERSIONS: [(&str, u16); 4] = [("1.0", 0x0301), ("1.1", 0x0302), ("1.2", 0x0303), ("1.3", 0x0304)];

/// Content type of a record.
const HANDSHAKE: u8 = 22;
/// Content type of a record.
const ALERT: u8 = 21;

/// TLS 1.3 suites, then ECDHE with AES-GCM and ChaCha20 for 1.2, then CBC suites as TLS 1.0 and 1.1 had them.
const SUITES: [u16; 15] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014,
    0x002f, 0x0035,
];

/// What a server says to a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerFlight {
    /// It chose that version.
    Chosen(&'static str),
    /// An alert: its description.
    Alert(u8),
    /// Bytes that are neither.
    Other,
}

/// A hello that offers these versions. `random` are 64 bytes: the hello's own, and a key share of X25519.
pub(super) fn client_hello(versions: &[&str], server_name: Option<&str>, random: &[u8; 64]) -> Vec<u8> {
    let numbers: Vec<u16> =
        VERSIONS.iter().filter(|(name, _)| versions.contains(name)).map(|(_, number)| *number).collect();
    let newest = numbers.iter().max().copied().unwrap_or(0x0303);
    let mut extensions = Vec::new();
    if let Some(name) = server_name {
        let entry = [&[0][..], &with_len16(name.as_bytes())].concat();
        extension(&mut extensions, 0, &with_len16(&entry));
    }
    extension(&mut extensions, 10, &with_len16(&u16s(&[0x001d, 0x0017])));
    extension(&mut extensions, 11, &[1, 0]);
    extension(
        &mut extensions,
        13,
        &with_len16(&u16s(&[
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0807, 0x0806, 0x0601, 0x0203, 0x0201,
        ])),
    );
    if newest >= 0x0304 {
        let mut offered: Vec<u16> = numbers.clone();
        offered.sort_unstable_by(|a, b| b.cmp(a));
        let list = u16s(&offered);
        extension(&mut extensions, 43, &[&[list.len() as u8][..], &list].concat());
        let share = [&u16s(&[0x001d])[..], &with_len16(&random[32..])].concat();
        extension(&mut extensions, 51, &with_len16(&share));
        extension(&mut extensions, 45, &[1, 1]);
    }
    let mut body = u16s(&[newest.min(0x0303)]);
    body.extend(&random[..32]);
    body.push(0);
    let suites: Vec<u16> = SUITES
        .into_iter()
        .filter(|suite| match suite {
            0x1301..=0x1303 => newest >= 0x0304,
            0xc02b..=0xccff => numbers.contains(&0x0303),
            _ => true,
        })
        .collect();
    body.extend(with_len16(&u16s(&suites)));
    body.extend([1, 0]);
    body.extend(with_len16(&extensions));
    // The record's own version is 1.0 in a first flight, whatever is offered (RFC 8446, 5.1).
    record(0x0301, 1, &body)
}

/// What a server says.
pub(super) fn server_flight(bytes: &[u8]) -> ServerFlight {
    match bytes {
        [ALERT, _, _, _, _, _, description, ..] => ServerFlight::Alert(*description),
        [HANDSHAKE, _, _, _, _, 2, _, _, _, rest @ ..] => {
            let chosen = server_version(rest).and_then(|number| {
                VERSIONS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
            });
            chosen.map_or(ServerFlight::Other, ServerFlight::Chosen)
        }
        _ => ServerFlight::Other,
    }
}

/// The version of a server hello: that of its extension, where it has one.
fn server_version(hello: &[u8]) -> Option<u16> {
    let legacy = u16::from_be_bytes(hello.get(..2)?.try_into().ok()?);
    let session = usize::from(*hello.get(34)?);
    let Some(mut extensions) = hello.get(35 + session + 3 + 2..) else { return Some(legacy) };
    while let [a, b, c, d, rest @ ..] = extensions {
        let (kind, len) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
        if kind == 43 {
            return Some(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?));
        }
        let Some(after) = rest.get(len..) else { break };
        extensions = after;
    }
    Some(legacy)
}

/// A server hello that chooses TLS 1.1 and one of the suites that the client offers; `None` when these bytes are no hello.
pub(super) fn downgraded_hello(client: &[u8]) -> Option<Vec<u8>> {
    let [HANDSHAKE, _, _, _, _, 1, _, _, _, hello @ ..] = client else { return None };
    let session = usize::from(*hello.get(34)?);
    let suites_at = 35 + session;
    let len = usize::from(u16::from_be_bytes(hello.get(suites_at..suites_at + 2)?.try_into().ok()?));
    let suites: Vec<u16> = hello
        .get(suites_at + 2..suites_at + 2 + len)?
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    // CBC suites, which TLS 1.1 has; else whatever is offered.
    let old = SUITES[9..].iter().find(|suite| suites.contains(suite));
    let suite = *old.or_else(|| suites.first())?;
    let mut body = u16s(&[0x0302]);
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend(u16s(&[suite]));
    body.push(0);
    // Clients that would go on want to know that renegotiation is the safe kind (RFC 5746).
    let mut extensions = Vec::new();
    extension(&mut extensions, 0xff01, &[0]);
    body.extend(with_len16(&extensions));
    Some(record(0x0302, 2, &body))
}

fn record(version: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut handshake = vec![kind];
    handshake.extend(&(body.len() as u32).to_be_bytes()[1..]);
    handshake.extend(body);
    let mut bytes = vec![HANDSHAKE];
    bytes.extend(u16s(&[version]));
    bytes.extend(with_len16(&handshake));
    bytes
}

fn extension(into: &mut Vec<u8>, kind: u16, content: &[u8]) {
    into.extend(u16s(&[kind]));
    into.extend(with_len16(content));
}

fn with_len16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn u16s(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::trust;
    use super::*;

    /// What a TLS library answers to bytes.
    fn answered(hello: &[u8]) -> Vec<u8> {
        let (config, _) = trust::self_signed().unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        server.read_tls(&mut &hello[..]).unwrap();
        let _ = server.process_new_packets();
        let mut out = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_real_server_reads_the_hellos() {
        let random = &[9; 64];
        for (versions, name, said) in [
            (&["1.2", "1.3"][..], Some("localhost"), ServerFlight::Chosen("1.3")),
            (&["1.2"], None, ServerFlight::Chosen("1.2")),
            (&["1.3"], None, ServerFlight::Chosen("1.3")),
            (&["1.0", "1.1"], Some("localhost"), ServerFlight::Alert(70)),
            (&["1.0"], None, ServerFlight::Alert(70)),
        ] {
            let flight = server_flight(&answered(&client_hello(versions, name, random)));
            assert_eq!(flight, said, "{versions:?}");
        }
    }

    #[test]
    fn a_real_client_refuses_the_older_version() {
        let (_, pem) = trust::self_signed().unwrap();
        let config = Arc::new(trust::client(Some(&pem), &[]).unwrap());
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut client = rustls::ClientConnection::new(config, name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let answer = downgraded_hello(&hello).unwrap();
        assert_eq!(server_flight(&answer), ServerFlight::Chosen("1.1"));
        client.read_tls(&mut &answer[..]).unwrap();
        assert!(client.process_new_packets().is_err());
        assert_eq!(downgraded_hello(b"GET / HTTP/1.1\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = server_flight(&bytes);
            let _ = server_flight(&[&[HANDSHAKE, 3, 3, 0, 90, 2, 0, 0, 80][..], &bytes].concat());
            let _ = downgraded_hello(&[&[HANDSHAKE, 3, 1, 0, 90, 1, 0, 0, 80][..], &bytes].concat());
        }
    }
}
