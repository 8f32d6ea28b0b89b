//! `run --url`: a server that runs, without an adapter.

use std::path::Path;
use std::time::Duration;

use avp_conformance::adapter::{AdapterCommand, Answer, Instance, Launcher as _, ProcessLauncher, Request};
use serde_json::{Value, json};

use super::{Ran, avp};

/// An interpreter starts in this time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of the binding, right or wrong in one thing, that lives as long as this.
struct Served {
    url: String,
    _instance: Box<dyn Instance>,
}

fn served(switch: Option<&str>, args: Value) -> Served {
    served_from(None, switch, args)
}

/// The same, with a certificate and its key from a folder.
fn served_from(tls: Option<&Path>, switch: Option<&str>, args: Value) -> Served {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants/binding.py");
    let words = std::iter::once(script.into_os_string()).chain(switch.map(Into::into));
    let mut command = AdapterCommand::new("python3", words);
    command.env.extend(tls.map(|folder| ("AVP_MUTANT_TLS".into(), folder.into())));
    let mut instance = ProcessLauncher::new(command).launch().unwrap();
    let Value::Object(args) = args else { panic!("arguments are an object") };
    let request = Request { op: "serve".into(), spec: "0.4", args, parts: Vec::new() };
    let Ok(Answer::Ok { ok, .. }) = instance.exchange(&request, PATIENCE) else {
        panic!("the server does not start")
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    Served { url: format!("{scheme}://127.0.0.1:{}", ok["port"]), _instance: instance }
}

/// Some cases that a plain server passes.
fn run(url: &str, more: &[&str]) -> Ran {
    let some =
        ["run", "--url", url, "--timeout-scale=3", "--id=http/health,http/transmit/refuses,http/token"];
    avp(&[&some[..], more].concat())
}

#[test]
fn a_server_is_judged_by_its_address() {
    let server = served(None, json!({"transport": "h1", "agent_id": "s", "identity": {"model_hash": "ab"}}));
    let ran = run(&server.url, &["--insecure-loopback"]);
    ran.assert_code(0)
        .assert_says("PASSED")
        .assert_says(&server.url)
        .assert_says("`server_token` is declared absent");
    // In the clear nothing can be said of its TLS.
    let whole = ["run", "--url", &server.url, "--insecure-loopback", "--timeout-scale=3"];
    avp(&whole)
        .assert_code(5)
        .assert_says("INCOMPLETE")
        .assert_says("profile http")
        .assert_says("AVP-SEC-002")
        .assert_says("the operation `call` is not declared");
}

#[test]
fn a_server_over_tls_is_judged_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let server = served_from(Some(folder.path()), None, json!({"transport": "h2"}));
    let run = |more: &[&str]| avp(&[&["run", "--url", &server.url, "--timeout-scale=3"], more].concat());
    run(&["--ca", certificate.to_str().unwrap()])
        .assert_code(0)
        .assert_says("CONFORMANT")
        .assert_says("required MUSTs")
        .assert_says("profile http");
    // Nobody else vouches for it.
    run(&[]).assert_code(1).assert_says("UnknownIssuer");
}

#[test]
fn a_wrong_server_fails_and_the_failure_can_be_repeated() {
    let server = served(Some("health-healthy"), json!({"transport": "h1"}));
    run(&server.url, &["--insecure-loopback"])
        .assert_code(1)
        .assert_says("http/health@0.4#body")
        .assert_says(r#""GET /health HTTP/1.1""#)
        .assert_says(&format!("avp-conformance run --url {} --insecure-loopback --id", server.url));
}

#[test]
fn a_token_is_sent_and_not_told() {
    let secret = "5ecret-of-the-test-0123456789abcdef";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let server = served(Some("health-healthy"), json!({"transport": "h1", "token": secret}));
    let events = folder.path().join("run.ndjson");
    let told =
        ["--insecure-loopback", "--token-file", file.to_str().unwrap(), "--events", events.to_str().unwrap()];
    let ran = run(&server.url, &told);
    ran.assert_code(1).assert_says(r#""authorization: Bearer …""#);
    let events = std::fs::read_to_string(&events).unwrap();
    assert!(![&ran.out, &ran.err, &events].iter().any(|text| text.contains(secret)), "{}", ran.out);
    let right = served(None, json!({"transport": "h1", "token": secret}));
    run(&right.url, &["--insecure-loopback", "--token-file", file.to_str().unwrap()])
        .assert_code(0)
        .assert_says("PASSED");
}

#[test]
fn what_is_no_server_is_told_apart() {
    run("http://127.0.0.1:9", &[]).assert_code(2).assert_says("only with --insecure-loopback");
    run("http://example.test", &["--insecure-loopback"])
        .assert_code(2)
        .assert_says("servers on this machine");
    run("https://example.test/avp/v2", &[]).assert_code(2).assert_says("is no address of a server");
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", socket.local_addr().unwrap())
    };
    run(&gone, &["--insecure-loopback"]).assert_code(3).assert_says(&gone);
}
