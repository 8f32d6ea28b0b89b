//! The harness's two ends of the HTTP binding against each other: what the one sends, the other records.

use avp_conformance::adapter::{Answer, Blob, Request};
use avp_conformance::http::Peer;
use serde_json::{Map, Value, json};

/// Machines that run this are busy; what is waited for in vain is waited for this much longer.
const SCALE: f64 = 5.0;

fn request(op: &str, args: Value, parts: &[(&str, &[u8])]) -> Request {
    let Value::Object(args) = args else { panic!("arguments are an object") };
    let part = |(name, bytes): &(&str, &[u8])| Blob {
        name: (*name).to_owned(),
        dtype: None,
        shape: None,
        bytes: (*bytes).into(),
    };
    Request { op: op.into(), spec: "0.4", args, parts: parts.iter().map(part).collect() }
}

fn take(peer: &mut Peer, op: &str, args: Value, parts: &[(&str, &[u8])]) -> (Map<String, Value>, Vec<Blob>) {
    match peer.answer(&request(op, args, parts), "") {
        Ok(Answer::Ok { ok, parts }) => (ok, parts),
        other => panic!("{op}: {other:?}"),
    }
}

/// A listener that the peer's own client takes for the server under test.
fn joined(listen: Value) -> Peer {
    let mut peer = Peer::new(SCALE);
    let secure = listen.get("tls").is_some();
    let (ok, _) = take(&mut peer, "peer_listen", listen, &[]);
    let transport = if secure { "h2" } else { "h2c" };
    let served = json!({"host": "127.0.0.1", "port": ok["port"], "pem": ok.get("pem")});
    let Value::Object(served) = served else { unreachable!() };
    let answer = Answer::Ok { ok: served, parts: Vec::new() };
    peer.learn(&request("serve", json!({"transport": transport, "token": "t0ken"}), &[]), &answer);
    peer
}

#[test]
fn requests_arrive_as_they_were_described() {
    for listen in [json!({}), json!({"tls": "self-signed"})] {
        for version in ["1.1", "2"] {
            let mut peer = joined(listen.clone());
            let body: Vec<u8> = (0..100_000u32).map(|at| at as u8).collect();
            let args = json!({
                "path": "/avp/v2/transmit", "version": version, "headers": {"X-One": "1", "avp-agent-id": null},
            });
            let (ok, _) = take(&mut peer, "peer_request", args, &[("message", &body)]);
            assert_eq!((&ok["status"], &ok["class"]), (&json!(200), &json!("2xx")), "{ok:?}");
            assert_eq!(ok["body"]["success"], true);
            assert!(!ok["sent"].to_string().contains("t0ken"), "{ok:?}");
            let (seen, bodies) = take(&mut peer, "peer_recorded", json!({}), &[]);
            let recorded = &seen["requests"][0];
            assert_eq!(recorded["version"], version, "{seen:?}");
            assert_eq!(recorded["tls"], if listen == json!({}) { Value::Null } else { json!("1.3") });
            for (name, value) in [
                ("content-type", json!("application/avp+binary")),
                ("avp-version", json!("0.4")),
                ("avp-agent-id", Value::Null),
                ("x-one", json!("1")),
                ("authorization", json!("Bearer t0ken")),
            ] {
                assert_eq!(recorded["headers"][name], value, "{name}");
            }
            assert_eq!(bodies[0].bytes[..], body[..]);
        }
    }
}

#[test]
fn bodies_come_in_pieces_and_padded() {
    let mut peer = joined(json!({}));
    let args = json!({"path": "/avp/v2/transmit", "chunk": 7, "pad": 5});
    take(&mut peer, "peer_request", args, &[("message", b"0123456789")]);
    let (seen, bodies) = take(&mut peer, "peer_recorded", json!({}), &[]);
    assert_eq!(bodies[0].bytes[..], *b"0123456789\0\0\0\0\0");
    assert_eq!(seen["requests"][0]["headers"]["transfer-encoding"], "chunked");
}

#[test]
fn answers_that_never_come_are_told_apart() {
    for version in ["1.1", "2"] {
        let ask = |peer: &mut Peer, more: Value| {
            let mut args = json!({"path": "/x", "version": version, "within_ms": 100, "json": {}});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            take(peer, "peer_request", args, &[]).0["outcome"].clone()
        };
        assert_eq!(ask(&mut joined(json!({"answers": {"*": {"does": "stall"}}})), json!({})), "silent");
        assert_eq!(ask(&mut joined(json!({"answers": {"*": {"does": "drop"}}})), json!({})), "closed");
        // The listener wants the whole body first.
        assert_eq!(ask(&mut joined(json!({})), json!({"declare": 100})), "silent");
        assert_eq!(ask(&mut joined(json!({})), json!({"stall_after": 1})), "silent");
        let mut gone = joined(json!({}));
        take(&mut gone, "peer_listen", json!({}), &[]);
        // It ends by itself, in its own time.
        let outcome = ask(&mut gone, json!({}));
        assert!(outcome == "unreachable" || outcome == "closed", "{outcome}");
    }
}

#[test]
fn many_requests_go_at_a_time() {
    for (version, connections) in [("1.1", 6), ("2", 1)] {
        let mut peer = joined(json!({}));
        let args = json!({"count": 6, "version": version});
        let (ok, _) = take(&mut peer, "peer_parallel", args, &[]);
        // The listener takes all of them, so the two that are damaged are answered wrongly.
        let mut wrong: Vec<u64> =
            ok["wrong"].as_array().unwrap().iter().map(|one| one["request"].as_u64().unwrap()).collect();
        wrong.sort_unstable();
        assert_eq!((ok["answered"].as_u64(), wrong), (Some(6), vec![2, 5]), "{ok:?}");
        let (seen, bodies) = take(&mut peer, "peer_recorded", json!({}), &[]);
        assert_eq!((&seen["connections"], bodies.len()), (&json!(connections), 6));
        let args = json!({"count": 6, "version": version, "echo": true});
        let (ok, _) = take(&mut peer, "peer_parallel", args, &[]);
        assert_eq!(ok["wrong"].as_array().unwrap().len(), 6, "nothing is echoed");
    }
    let mut peer = joined(json!({"answers": {"*": {"status": 429}}}));
    let args = json!({"count": 3, "same": true, "path": "/avp/v2/text", "json": {}});
    let (ok, _) = take(&mut peer, "peer_parallel", args, &[]);
    assert_eq!((&ok["limited"], &ok["served"], &ok["other"]), (&json!(true), &json!(false), &json!([])));
}

#[test]
fn answers_are_what_they_were_told_to_be() {
    let answers = json!({
        "/a": {"status": 503, "headers": {"retry-after": "1"}},
        "/b": {"status": 502, "text": "<html>"},
        "/c": {"json": {"at": "{authority}"}},
    });
    let mut peer = joined(json!({"answers": answers}));
    let mut get = |path: &str| take(&mut peer, "peer_request", json!({"path": path}), &[]).0;
    let a = get("/a");
    assert_eq!((&a["status"], &a["headers"]["retry-after"]), (&json!(503), &json!("1")));
    assert_eq!(a["body"]["success"], false);
    let b = get("/b");
    assert_eq!((&b["content_type"], &b["text"]), (&json!("text/plain"), &json!("<html>")));
    let c = get("/c");
    assert_eq!(c["url"], json!(format!("http://{}", c["body"]["at"].as_str().unwrap())));
    assert_eq!(get("/d")["status"], 404);
}

#[test]
fn probes_of_tls_see_what_a_server_takes() {
    let mut peer = joined(json!({"tls": "self-signed"}));
    let mut probe = |versions: Value| take(&mut peer, "peer_tls_probe", json!({"versions": versions}), &[]).0;
    let newest = probe(json!(["1.2", "1.3"]));
    assert_eq!((&newest["outcome"], &newest["version"]), (&json!("chosen"), &json!("1.3")));
    assert_eq!(probe(json!(["1.2"]))["version"], "1.2");
    assert_eq!(probe(json!(["1.0", "1.1"]))["outcome"], "refused");
    // A server that answers every hello with TLS 1.1 is seen through.
    let mut old = joined(json!({"tls": "downgrade"}));
    let (told, _) = take(&mut old, "peer_tls_probe", json!({"versions": ["1.1"]}), &[]);
    assert_eq!((&told["outcome"], &told["version"]), (&json!("chosen"), &json!("1.1")));
}

#[test]
fn a_certificate_that_is_not_trusted_ends_the_connection() {
    let mut peer = joined(json!({"tls": "self-signed"}));
    let (ok, _) = take(&mut peer, "peer_listen", json!({"tls": "self-signed"}), &[]);
    // The certificate is that of the listener before.
    let served = json!({"host": "127.0.0.1", "port": ok["port"], "pem": null});
    let Value::Object(served) = served else { unreachable!() };
    let answer = Answer::Ok { ok: served, parts: Vec::new() };
    peer.learn(&request("serve", json!({"transport": "h2"}), &[]), &answer);
    let (told, _) = take(&mut peer, "peer_request", json!({"path": "/health"}), &[]);
    assert_eq!(told["outcome"], "unreachable", "{told:?}");
    let (seen, _) = take(&mut peer, "peer_recorded", json!({}), &[]);
    assert_eq!(seen["requests"], json!([]));
}

#[test]
fn steps_without_an_end_to_talk_to_are_not_taken() {
    let mut peer = Peer::new(SCALE);
    for op in ["peer_request", "peer_parallel", "peer_tls_probe", "peer_recorded"] {
        assert!(peer.answer(&request(op, json!({"versions": ["1.2"]}), &[]), "").is_err(), "{op}");
    }
    let refused = Answer::Err { code: "configuration".into(), detail: String::new(), status: None };
    let mut joined = joined(json!({}));
    joined.learn(&request("serve", json!({}), &[]), &refused);
    assert!(joined.answer(&request("peer_request", json!({"path": "/"}), &[]), "").is_err());
}
